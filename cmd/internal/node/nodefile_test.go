package node

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every key of a node file, and what becomes of it.
func TestParseFile(t *testing.T) {
	f, problems := ParseFile("etc/vitalns.toml", []byte(`
node      = "ns1"
site      = "lon"
zones     = ["zones/*.toml", "/srv/a.toml"]
state_dir = "state"
start_grace = "10s"
[dns]
listen   = ["192.0.2.53:53", "[2001:db8::53]:53", ":5300", "localhost:5301"]
tls      = "192.0.2.53:853"
https    = ["192.0.2.53:443", "[2001:db8::53]:443"]
cert_file = "ns1.pem"
key_file  = "/etc/ns1.key"
proxy    = [":5300", "192.0.2.53:853"]
proxy_from = ["192.0.2.1", "2001:db8:1::/64"]
tcp_connections = 100
tcp_per_client = 7
tcp_lifetime = "90s"
udp_size = 1400
lameduck = "3s"
[http]
listen     = "127.0.0.1:8053"
token_file = "api.token"
[control]
socket = "/run/x.sock"
[probe]
source   = ["192.0.2.53"]
resolver = "127.0.0.53:53"
[cluster]
bind     = "192.0.2.53:7946"
join     = ["198.51.100.53:7946", "ns3.example.com:7946"]
name     = "prod"
key_file = "cluster.key"
vote_expiry = "6s"
[log]
level  = "warn"
format = "json"
`))
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	f.doc, f.secrets, f.patterns = nil, nil, nil
	want := &File{
		Path: "etc/vitalns.toml", Node: "ns1", Site: "lon", Zones: []string{"etc/zones/*.toml", "/srv/a.toml"}, StateDir: "etc/state", StartGrace: 10 * time.Second,
		Listen: []string{"192.0.2.53:53", "[2001:db8::53]:53", ":5300", "localhost:5301"}, UDPSize: 1400,
		Streams: FileStreams{
			TLS: []string{"192.0.2.53:853"}, HTTPS: []string{"192.0.2.53:443", "[2001:db8::53]:443"}, CertFile: "etc/ns1.pem", KeyFile: "/etc/ns1.key",
			Proxy: []string{":5300", "192.0.2.53:853"}, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8:1::/64")},
			Most: 100, PerClient: 7, Lifetime: 90 * time.Second,
		},
		Lameduck: 3 * time.Second, RRL: defaultRRL(),
		HTTP: "127.0.0.1:8053", TokenFile: "etc/api.token", Control: "/run/x.sock",
		Source: []netip.Addr{netip.MustParseAddr("192.0.2.53")}, Resolver: "127.0.0.53:53",
		Cluster: &FileCluster{Bind: "192.0.2.53:7946", Join: []string{"198.51.100.53:7946", "ns3.example.com:7946"}, Nodes: 3, Counted: true, Name: "prod",
			KeyFile: "etc/cluster.key", VoteExpiry: 6 * time.Second},
		LogLevel: "warn", LogFormat: "json", Checks: f.Checks,
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
}

func TestParseFileDefaults(t *testing.T) {
	f, problems := ParseFile("/etc/vitalns/vitalns.toml", nil)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	if f.StateDir != "/var/lib/vitalns" || f.Control != SystemSocket || f.HTTP != "127.0.0.1:8053" || f.UDPSize != 1232 || f.StartGrace != 5*time.Second || f.Cluster != nil {
		t.Errorf("got %+v", f)
	}
}

// Addresses: what is wrong with them, and what is proposed.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct{ name, file, problem, hint string }{
		{"no port", `[dns]` + "\n" + `listen = "192.0.2.53"`, "no address with a port", `"192.0.2.53:53"`},
		{"no port, IPv6", `[dns]` + "\n" + `listen = "2001:db8::1"`, "no address with a port", `"[2001:db8::1]:53"`},
		{"no brackets", `[cluster]` + "\n" + `bind = "2001:db8::1:7946"`, "no address with a port", `"[2001:db8::1]:7946"`},
		{"no brackets, another port", `[dns]` + "\n" + `listen = "2001:db8:0:0:0:0:0:1:5300"`, "no address with a port", `"[2001:db8:0:0:0:0:0:1]:5300"`},
		{"brackets, no port", `[dns]` + "\n" + `listen = "[2001:db8::1]"`, "no address with a port", `"[2001:db8::1]:53"`},
		{"port alone", `[http]` + "\n" + `listen = "8053"`, "no address with a port", `"ADDRESS:8053"`},
		{"port without quotes", `[dns]` + "\n" + `listen = 53`, "wants a string, not an integer", `"ADDRESS:53"`},
		{"port without quotes, http", `[http]` + "\n" + `listen = 8053`, "wants a string, not an integer", `"ADDRESS:8053"`},
		{"great port", `[dns]` + "\n" + `listen = "127.0.0.1:65536"`, `"65536" is no port`, ""},
		{"named port", `[dns]` + "\n" + `listen = "127.0.0.1:domain"`, `"domain" is no port`, ""},
		{"nearly an address", `[cluster]` + "\n" + `bind = "127.0.0.1:7946"` + "\n" + `nodes = 3` + "\n" + `join = ["192.0.2.300:7946"]`, `"192.0.2.300" is no IP address`, ""},
		{"a name to listen on", `[http]` + "\n" + `listen = "ns1.example.com:80"`, "no IP address", `":80"`},
		{"a name to bind", `[cluster]` + "\n" + `bind = "ns1:7946"`, "no IP address", "192.0.2.53:7946"},
		{"bind to all", `[cluster]` + "\n" + `bind = "[::]:7946"`, "the other nodes are told this address", "can reach"},
		{"no key", `[cluster]` + "\n" + `bind = "192.0.2.53:7946"`, "must be encrypted", "vitalns keygen cluster"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := ParseFile("node.toml", []byte(tt.file+"\n"))
			problems = problems.Sort([]string{"node.toml"}) // as Load does: what is said twice is said once
			if len(problems) != 1 {
				t.Fatalf("problems: %v, want one", problems)
			}
			if p := problems[0]; !strings.Contains(p.Text, tt.problem) || !strings.Contains(p.Hint, tt.hint) {
				t.Errorf("%s, hint %q; want %q, hint %q", p.Error(), p.Hint, tt.problem, tt.hint)
			}
		})
	}
}

// Without `nodes` the expected size is that of `join` and the node itself, which may be in the list too.
func TestExpectedSize(t *testing.T) {
	for _, row := range []struct {
		join string
		want int
	}{
		{`["127.0.0.2:7946", "127.0.0.3:7946"]`, 3},
		{`["127.0.0.1:7946", "127.0.0.2:7946", "127.0.0.3:7946"]`, 3},
		{`["127.0.0.2:7946", "127.0.0.2:7946", "[::ffff:127.0.0.1]:7946"]`, 2},
		{`["127.0.0.1:7947"]`, 2},
		{`["127.0.0.1:7946"]`, 1},
		{`["NS2.example.com:7946", "ns2.example.com:7946", "ns3.example.com:7946"]`, 3},
	} {
		f, problems := ParseFile("/etc/vitalns/vitalns.toml", []byte("[cluster]\nbind = \"127.0.0.1:7946\"\njoin = "+row.join+"\n"))
		if problems.Errors() > 0 {
			t.Fatal(problems)
		}
		if f.Cluster.Nodes != row.want {
			t.Errorf("%s: %d nodes, want %d", row.join, f.Cluster.Nodes, row.want)
		}
	}
}
