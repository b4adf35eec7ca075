package node

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"vitalns/dnsserver"
	"vitalns/zones/zonefile"
)

// FileStreams is how a node is asked over TCP, TLS and HTTPS, and through proxies.
type FileStreams struct {
	TLS, HTTPS        []string
	CertFile, KeyFile string
	Proxy             []string
	ProxyFrom         []netip.Prefix
	Most, PerClient   int
	Lifetime          time.Duration
}

var defaultStreams = FileStreams{Most: dnsserver.DefaultMaxStreams, PerClient: dnsserver.DefaultMaxPerClient, Lifetime: dnsserver.DefaultLifetime}

// maxStreams bounds what can be configured: each connection takes memory.
const maxStreams = 1 << 20

// maxLifetime bounds how long a connection may be allowed to last.
const maxLifetime = 7 * 24 * time.Hour

const certHint = "cert_file is the certificate and its chain, key_file its key, both PEM: `openssl x509 -in FILE -noout -subject -dates` shows one"

var streamForeign = map[string]string{"dot": "tls", "doh": "https", "cert": "cert_file", "certificate": "cert_file", "key": "key_file",
	"tlscert": "cert_file", "tlskey": "key_file", "tlsservicepem": "cert_file", "tlsservicekey": "key_file", "proxyprotocol": "proxy", "proxyallow": "proxy_from",
	"tcpclients": "tcp_connections", "maxtcpclients": "tcp_connections", "maxtcpconnections": "tcp_connections", "tcpcount": "tcp_connections",
	"maxtcpconnectionsperclient": "tcp_per_client", "maxtcpconnectionduration": "tcp_lifetime"}

func (f *File) parseStreams(t *zonefile.Table) {
	s := &f.Streams
	taken := map[string]string{} // address -> key
	for _, of := range []struct {
		key, usual string
		into       *[]string
	}{{"listen", "53", nil}, {"tls", "853", &s.TLS}, {"https", "443", &s.HTTPS}} {
		v := t.Get(of.key)
		if of.into != nil {
			v.Addresses(of.into)
		}
		for _, item := range v.List() {
			var addr string
			if !item.Address(&addr) {
				continue
			}
			if of.into != nil {
				ownAddress(item, of.usual)
			}
			all := slices.Sorted(maps.Keys(taken))
			if i := slices.IndexFunc(all, func(have string) bool { return meet(addr, have) }); i >= 0 {
				item.Error("give each its own port: 53 for `listen`, 853 for `tls`, 443 for `https`", "%q takes the port of %q in `%s`", addr, all[i], taken[all[i]])
			}
			taken[addr] = of.key
		}
	}
	s.parseCertificate(f, t)
	s.parseProxy(f, t, taken)
	t.Get("tcp_connections").Int(&s.Most, 1, maxStreams)
	t.Get("tcp_per_client").Int(&s.PerClient, 1, maxStreams)
	if v := t.Get("tcp_per_client"); v != nil && s.PerClient > s.Most {
		v.Warn("", "one client may have all %d connections of `tcp_connections`", s.Most)
	}
	t.Get("tcp_lifetime").Duration(&s.Lifetime, time.Second, maxLifetime)
}

// meet reports whether two addresses to listen on cannot both be had: one port, and one address or all. A
// port of the system's choice is another each time.
func meet(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	ipA, errA := netip.ParseAddr(cmp.Or(hostA, "0.0.0.0"))
	ipB, errB := netip.ParseAddr(cmp.Or(hostB, "0.0.0.0"))
	if errA != nil || errB != nil {
		return hostA == hostB
	}
	families := hostA == "" || hostB == "" || ipA.Is4() == ipB.Is4()
	return ipA == ipB || families && (ipA.IsUnspecified() || ipB.IsUnspecified())
}

// parseCertificate reads which certificate is shown over TLS and HTTPS.
func (s *FileStreams) parseCertificate(f *File, t *zonefile.Table) {
	cert, key := t.Get("cert_file"), t.Get("key_file")
	cert.Text(&s.CertFile)
	key.Text(&s.KeyFile)
	switch shown := len(s.TLS)+len(s.HTTPS) > 0; {
	case cert != nil && key == nil:
		cert.KeyError(certHint, "`cert_file` without `key_file`")
	case cert == nil && key != nil:
		key.KeyError(certHint, "`key_file` without `cert_file`")
	case cert == nil && shown:
		v := t.Get("tls")
		if len(s.TLS) == 0 {
			v = t.Get("https")
		}
		v.KeyError(certHint, "`%s` needs `cert_file` and `key_file`", v.Name)
	case cert != nil && !shown:
		cert.KeyWarn("write tls = \"ADDRESS:853\" or https = \"ADDRESS:443\"", "the certificate is shown to nobody")
	case cert != nil:
		f.secrets = append(f.secrets, secret{cert, &s.CertFile, s.checkCertificate, certHint},
			secret{key, &s.KeyFile, func(path string) error { return regular(path) }, certHint})
	}
}

// checkCertificate says what is wrong with the certificate; that its key cannot be read is said of the key.
func (s *FileStreams) checkCertificate(chain string) error {
	c, err := dnsserver.LoadCertificate(chain, s.KeyFile)
	unread := new(fs.PathError)
	switch {
	case errors.As(err, &unread) && unread.Path == s.KeyFile:
		return nil
	case err != nil:
		return err
	case time.Now().After(c.NotAfter()):
		return unwise{fmt.Sprintf("certificate %s has expired on %s", chain, c.NotAfter().UTC().Format(time.DateTime)), "clients that look at it ask nothing; it is looked at again every few seconds"}
	}
	return nil
}

// parseProxy reads where a PROXY header comes first, and who may send it.
func (s *FileStreams) parseProxy(f *File, t *zonefile.Table, addrs map[string]string) {
	proxy, from := t.Get("proxy"), t.Get("proxy_from")
	proxy.Addresses(&s.Proxy)
	if t.Get("listen") == nil {
		for _, a := range f.Listen { // the default
			addrs[a] = "listen"
		}
	}
	for _, item := range proxy.List() {
		var addr string
		if !item.Address(&addr) {
			continue
		}
		if _, ok := addrs[addr]; !ok {
			item.Error("write it as it stands there", "%q stands neither in `listen` nor in `tls` nor in `https`", addr)
		}
	}
	for _, item := range from.List() {
		var p netip.Prefix
		if !item.Prefix(&p) {
			continue
		}
		if p.Bits() == 0 {
			item.Warn("write the addresses of the proxies alone", "everyone may send a PROXY header, and so ask in any name")
		}
		s.ProxyFrom = append(s.ProxyFrom, p)
	}
	switch {
	case len(proxy.List()) > 0 && len(from.List()) == 0:
		proxy.KeyError("write proxy_from = [\"192.0.2.0/24\"], the addresses of the proxies: whoever may send a PROXY header may ask in any name", "`proxy` needs `proxy_from`")
	case proxy == nil && from != nil:
		from.KeyWarn("write proxy = [...], those of the addresses above where a PROXY header comes first", "`proxy_from` without `proxy` has no effect")
	}
}

// under makes relative paths relative to the directory of the node file.
func (s *FileStreams) under(dir string) {
	s.CertFile, s.KeyFile = under(dir, s.CertFile), under(dir, s.KeyFile)
}

// needRestart names what only a start can change. The certificate itself is no part of it.
func (s FileStreams) needRestart(b FileStreams) []string {
	var names []string
	add := func(differs bool, name string) {
		if differs {
			names = append(names, "[dns] "+name)
		}
	}
	add(!slices.Equal(s.TLS, b.TLS), "tls")
	add(!slices.Equal(s.HTTPS, b.HTTPS), "https")
	add(s.CertFile != b.CertFile, "cert_file")
	add(s.KeyFile != b.KeyFile, "key_file")
	add(!slices.Equal(s.Proxy, b.Proxy), "proxy")
	add(!slices.Equal(s.ProxyFrom, b.ProxyFrom), "proxy_from")
	add(s.Most != b.Most, "tcp_connections")
	add(s.PerClient != b.PerClient, "tcp_per_client")
	add(s.Lifetime != b.Lifetime, "tcp_lifetime")
	return names
}

// certificate reads the certificate; nil: there is none to show.
func (s FileStreams) certificate() (*dnsserver.Certificate, error) {
	if len(s.TLS)+len(s.HTTPS) == 0 {
		return nil, nil
	}
	c, err := dnsserver.LoadCertificate(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, &Advice{Err: err, Hint: certHint}
	}
	return c, nil
}
