package node

import (
	"log/slog"
	"time"

	"vitalns/dnsserver"
	"vitalns/zones/zonefile"
)

var dnsKeys = zonefile.Keys{Names: []string{"listen", "udp_size", "lameduck", "rrl", "cookie_secret_file", "explain"}, Foreign: rrlForeign}

func (f *File) parseDNS(t *zonefile.Table) {
	if t == nil {
		return
	}
	t.Get("listen").Texts(&f.Listen)
	for _, item := range t.Get("listen").List() {
		ownAddress(item, "53")
	}
	t.Get("udp_size").Int(&f.UDPSize, 512, 4096)
	t.Get("lameduck").Duration(&f.Lameduck, 0, 10*time.Minute)
	f.parseRRL(t.Get("rrl"))
	f.parseDiagnosis(t)
}

// server makes the DNS server that the file asks for.
func (f *File) server(a Answers, version string, log *slog.Logger) (Server, error) {
	return dnsserver.New(dnsserver.Config{
		Listen: f.Listen, Table: a.Table, Explain: a.Explain, NSID: f.Node, Version: "vitalns " + version,
		Cookies: a.Cookies, ExplainTo: f.Explain, UDPSize: uint16(f.UDPSize), Lameduck: f.Lameduck, Limiter: a.Limiter, Logger: log,
	})
}
