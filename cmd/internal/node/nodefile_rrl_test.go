package node

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vitalns/dnsserver/edge"
)

// Every key of [dns.rrl], and what becomes of it.
func TestParseRRL(t *testing.T) {
	f, problems := ParseFile("node.toml", []byte(`
[dns.rrl]
positive = 10
nodata = 20
nxdomain = 30
error = 0
slip = 3
exempt = ["192.0.2.0/24", "2001:db8::1"]
ipv4_prefix = 32
ipv6_prefix = 48
table_size = 100000
`))
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	want := FileRRL{Enabled: true, Limits: edge.Limits{Rates: [edge.Classes]int{10, 20, 30, 0}, Slip: 3,
		Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}},
		Table: edge.Table{Accounts: 100000, IPv4: 32, IPv6: 48}}
	if !reflect.DeepEqual(f.RRL, want) {
		t.Errorf("got  %+v\nwant %+v", f.RRL, want)
	}
	f, problems = ParseFile("node.toml", []byte("[dns.rrl]\nenabled = false\nexempt = []\n"))
	if len(problems) > 0 || f.RRL.limits().Rates != [edge.Classes]int{} || len(f.RRL.Exempt) > 0 {
		t.Errorf("off, nobody exempt: got %+v, problems %v", f.RRL, problems)
	}
}

// What is wrong, and the spellings of BIND, NSD and Knot.
func TestParseRRLProblems(t *testing.T) {
	for _, tt := range []struct{ name, file, problem, hint string }{
		{"no table", "dns.rrl = false", "wants a table", ""},
		{"rate", "[dns.rrl]\npositive = 100001", "positive must be from 0 to 100000", ""},
		{"rate per time", `[dns.rrl]` + "\n" + `error = "5/s"`, "wants an integer", ""},
		{"slip", "[dns.rrl]\nslip = -1", "slip must be from 0 to 100", ""},
		{"on", `[dns.rrl]` + "\n" + `enabled = "no"`, "wants true or false", ""},
		{"exempt", `[dns.rrl]` + "\n" + `exempt = ["10.0.0.0/8", "any"]`, `"any" is not a subnet`, ""},
		{"exempt bits", `[dns.rrl]` + "\n" + `exempt = "10.0.0.1/8"`, "bits set behind", `"10.0.0.0/8"`},
		{"too many", "[dns.rrl]\nexempt = [" + strings.Repeat(`"10.0.0.0/8", `, 1001) + "]", "at most 1000", ""},
		{"prefix", "[dns.rrl]\nipv6_prefix = 128", "ipv6_prefix must be from 16 to 64", ""},
		{"table", "[dns.rrl]\ntable_size = 10", "table_size must be from 1024", ""},
		{"BIND", "[dns.rrl]\nresponses-per-second = 5", "unknown key", "`positive`"},
		{"BIND", "[dns.rrl]\nnxdomains-per-second = 5", "unknown key", "`nxdomain`"},
		{"BIND", "[dns.rrl]\nexempt-clients = []", "unknown key", "`exempt`"},
		{"BIND", "[dns.rrl]\nipv4-prefix-length = 24", "unknown key", "`ipv4_prefix`"},
		{"BIND", "[dns.rrl]\nmax-table-size = 20000", "unknown key", "`table_size`"},
		{"BIND", "[dns.rrl]\nwindow = 15", "not supported", "one second"},
		{"BIND", "[dns.rate-limit]\nslip = 2", "unknown key", "`rrl`"},
		{"NSD", "[dns]\nrrl-ratelimit = 200", "unknown key", "`rrl`"},
		{"NSD", "[dns.rrl]\nrrl-ratelimit = 200", "unknown key", "`positive`"},
		{"NSD", "[dns.rrl]\nrrl-whitelist-ratelimit = 200", "not supported", "`exempt`"},
		{"Knot", "[dns.mod-rrl]\nslip = 1", "unknown key", "`rrl`"},
		{"Knot", "[dns.rrl]\nrate-limit = 200", "unknown key", "`positive`"},
		{"Knot", "[dns.rrl]\ninstant-limit = 50", "not supported", "one second"},
		{"Knot", "[dns.rrl]\nwhitelist = []", "unknown key", "`exempt`"},
		{"a slip", "[dns.rrl]\nnxdomian = 5", "unknown key", "`nxdomain`"},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.name, tt.problem), func(t *testing.T) {
			_, problems := ParseFile("node.toml", []byte(tt.file+"\n"))
			if len(problems) != 1 {
				t.Fatalf("problems: %v, want one", problems)
			}
			if p := problems[0]; !strings.Contains(p.Text, tt.problem) || !strings.Contains(p.Hint, tt.hint) {
				t.Errorf("%s, hint %q; want %q, hint %q", p.Error(), p.Hint, tt.problem, tt.hint)
			}
		})
	}
}

// A reload applies rates and exemptions, names what it cannot apply, and what is owed stays owed.
func TestReloadRRL(t *testing.T) {
	a, b := defaultRRL(), defaultRRL()
	if got := diffRRL(a, b); got != nil {
		t.Errorf("no difference: got %q", got)
	}
	b.Rates[edge.NXDomain], b.Exempt, b.Table.IPv4 = 5, nil, 32
	if got, want := strings.Join(diffRRL(a, b), "\n"), "~ [dns.rrl]: nxdomain 500 -> 5, exempt 127.0.0.0/8 ::1/128 -> none"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := needsRestart(&File{RRL: a}, &File{RRL: b}), []string{"[dns.rrl] ipv4_prefix"}; !slices.Equal(got, want) {
		t.Errorf("needs restart: got %q, want %q", got, want)
	}
	bubble(t, func(l *lab) {
		l.start(Config{})
		defer l.end()
		check := func() edge.Action { return l.node.limiter.Check(0, netip.MustParseAddr("192.0.2.1"), edge.NXDomain) }
		for range 500 {
			if got := check(); got != edge.Send {
				t.Fatalf("below the rate: %v", got)
			}
		}
		l.mu.Lock()
		l.file = "[dns.rrl]\nnxdomain = 5\nslip = 0\nipv4_prefix = 32\n"
		l.mu.Unlock()
		if r, err := l.node.Reload(context.Background()); err != nil || !r.Applied || !slices.Equal(r.NeedsRestart, []string{"[dns.rrl] ipv4_prefix"}) ||
			!slices.Equal(r.Changes, []string{"~ [dns.rrl]: slip 2 -> 0, nxdomain 500 -> 5"}) {
			t.Fatalf("%+v, %v", r, err)
		}
		for range 10 {
			if got := check(); got != edge.Drop {
				t.Errorf("after the reload: %v, the account was empty and nothing slips any more", got)
			}
		}
		if r, err := l.node.Plan(context.Background()); err != nil || len(r.Changes) > 0 || len(r.NeedsRestart) != 1 {
			t.Errorf("once more: %+v, %v", r, err)
		}
	})
}
