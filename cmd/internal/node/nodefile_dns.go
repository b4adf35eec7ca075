package node

import (
	"cmp"
	"log/slog"
	"maps"
	"time"

	"vitalns/dnsserver"
	"vitalns/dnsserver/packed"
	"vitalns/zones/zonefile"
)

var dnsKeys = zonefile.Keys{Names: []string{"listen", "tls", "https", "cert_file", "key_file", "proxy", "proxy_from", "tcp_connections", "tcp_per_client", "tcp_lifetime", "udp_size", "lameduck", "rrl", "cookie_secret_file", "explain"},
	Foreign: dnsForeign()}

func dnsForeign() map[string]string {
	all := maps.Clone(streamForeign)
	maps.Copy(all, rrlForeign)
	all["cookiesecret"] = "cookie_secret_file"
	return all
}

func (f *File) parseDNS(t *zonefile.Table) {
	if t == nil {
		return
	}
	t.Get("listen").Addresses(&f.Listen)
	for _, item := range t.Get("listen").List() {
		ownAddress(item, "53")
	}
	t.Get("udp_size").Int(&f.UDPSize, 512, 4096)
	t.Get("lameduck").Duration(&f.Lameduck, 0, 10*time.Minute)
	f.parseStreams(t)
	f.parseRRL(t.Get("rrl"))
	f.parseDiagnosis(t)
}

// server makes the DNS server that the file asks for.
func (f *File) server(a Answers, version string, log *slog.Logger) (Server, error) {
	cert, err := f.Streams.certificate()
	if err != nil {
		return nil, err
	}
	size := cmp.Or(uint16(f.UDPSize), dnsserver.DefaultUDPSize)
	return dnsserver.New(dnsserver.Config{
		Fast:   func() dnsserver.Fast { return packed.New(f.Node, size) },
		Listen: f.Listen, Table: a.Table, Explain: a.Explain, NSID: f.Node, Version: "vitalns " + version,
		Cookies: a.Cookies, ExplainTo: f.Explain, UDPSize: size, Lameduck: f.Lameduck, Limiter: a.Limiter, Logger: log,
		TLS: f.Streams.TLS, HTTPS: f.Streams.HTTPS, Certificate: cert, Proxy: f.Streams.Proxy, ProxyFrom: f.Streams.ProxyFrom,
		MaxStreams: f.Streams.Most, MaxPerClient: f.Streams.PerClient, Lifetime: f.Streams.Lifetime,
	})
}
