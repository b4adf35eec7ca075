package dnsserver_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/test/zonetest"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// respond asks a line of respond.txt with options added, over a transport.
func respond(t testing.TB, table *zones.Table, line string, via dnsserver.Transport, options ...dns.EDNS0) *dns.Msg {
	t.Helper()
	m, rest := parseMessage(t, line)
	if o := m.IsEdns0(); o != nil {
		o.Option = append(o.Option, options...)
	}
	q, err := dnsserver.NewQuery(m)
	if err != nil {
		t.Fatal(err)
	}
	rest.Msg, rest.Verdict, rest.Via, rest.Keepalive = q.Msg, q.Verdict, via, 10*time.Second
	return dnsserver.Respond(table, rest)
}

// option returns the option of a kind in a response; nil: it has none.
func option(m *dns.Msg, code uint16) dns.EDNS0 {
	if o := m.IsEdns0(); o != nil {
		if i := slices.IndexFunc(o.Option, func(o dns.EDNS0) bool { return o.Option() == code }); i >= 0 {
			return o.Option[i]
		}
	}
	return nil
}

// RFC 7830 §4: "Responders MUST pad DNS messages when the respective DNS queries were padded; they MUST NOT
// [where they were not]"; §6: "MUST NOT pad [without] encrypted transport". RFC 8467 §4.1: to blocks of 468.
func TestPadding(t *testing.T) {
	table := testTable(t)
	for _, line := range []string{
		"mail.hard.test. A edns", "nx.hard.test. A edns", "big.hard.test. TXT edns", "www.sub.hard.test. A edns nsid",
		"hard.test. MX edns", "example.org. A edns", "none.pool.test. A edns", "mail.hard.test. A edns version", "www.pool.test. A edns ecs=198.51.100.0/24",
	} {
		for _, via := range []dnsserver.Transport{dnsserver.UDP, dnsserver.TCP, dnsserver.TLS, dnsserver.HTTPS} {
			padded := respond(t, table, line, via, &dns.EDNS0_PADDING{Padding: make([]byte, 3)})
			if option(respond(t, table, line, via), dns.EDNS0PADDING) != nil {
				t.Errorf("%s over %s: padded, though the query was not", line, via)
			}
			wire, err := padded.Pack()
			if err != nil {
				t.Fatal(err)
			}
			asked := via >= dnsserver.TLS && !strings.Contains(line, "version") // another version has options of its own
			if asked != (option(padded, dns.EDNS0PADDING) != nil) || asked && len(wire)%468 != 0 {
				t.Errorf("%s over %s: %d bytes, padding %v", line, via, len(wire), option(padded, dns.EDNS0PADDING))
			}
		}
	}
}

// RFC 7828 §3.3.1: "The DNS server MAY [send it] over TCP"; §3.2.2: over UDP it is ignored. Only who asks is
// told; TIMEOUT counts in units of 100 ms.
func TestKeepalive(t *testing.T) {
	table := testTable(t)
	for via, want := range map[dnsserver.Transport]bool{dnsserver.UDP: false, dnsserver.TCP: true, dnsserver.TLS: true} {
		const line = "mail.hard.test. A edns"
		o, ok := option(respond(t, table, line, via, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}), dns.EDNS0TCPKEEPALIVE).(*dns.EDNS0_TCP_KEEPALIVE)
		if ok != want || ok && o.Timeout != 100 {
			t.Errorf("%s: got %v", via, o)
		}
		if o := option(respond(t, table, line, via), dns.EDNS0TCPKEEPALIVE); o != nil {
			t.Errorf("%s: got %v, unasked", via, o)
		}
	}
}

// RFC 6891 §6.1.1: "If an OPT record is present in a received request, compliant responders MUST include an
// OPT record in their respective responses" – and in no other.
func TestOPTForOPT(t *testing.T) {
	table := testTable(t)
	for _, line := range []string{
		"mail.hard.test. A", "nx.hard.test. A", "example.org. A", "www.sub.hard.test. A", "mail.hard.test. AXFR", "big.hard.test. TXT",
		"mail.hard.test. A HS", "version.bind. TXT CH", "mail.hard.test. A opcode=UPDATE", "mail.hard.test. A noquestion", "fail.pool.test. A",
	} {
		if m := respond(t, table, line, dnsserver.UDP); m.IsEdns0() != nil {
			t.Errorf("%s: got %v", line, m.IsEdns0())
		}
		m := respond(t, table, line+" edns do unknown", dnsserver.UDP)
		if o := m.IsEdns0(); o == nil || o.Version() != 0 || !o.Do() || o.UDPSize() != 1232 || o.Z() != 0 {
			t.Errorf("%s edns: got %v", line, o)
		}
		if o := option(m, 65001); o != nil {
			t.Errorf("%s: an option that nobody knows comes back: %v", line, o)
		}
	}
}

// noteTable has pools of which each answers unusually.
func noteTable(t *testing.T) *zones.Table {
	src := zonetest.Master(t, "note.test.", "$TTL 300\n@ SOA ns1 admin 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n")
	target := func(host string) checks.Target { return checks.Target{Host: host, Port: 80} }
	member := func(name, host string) zones.Member {
		return zones.Member{Name: name, Weight: 1, Addrs: []zones.MemberAddr{{Addr: netip.MustParseAddr(host), Need: zones.Need{K: 1, Of: []checks.Target{target(host)}}}}}
	}
	const up, down, stale = "203.0.113.1", "203.0.113.2", "203.0.113.3"
	pool := func(name string, members ...zones.Member) zones.Pool {
		return zones.Pool{Name: name, Policy: policy.AllKind, TTL: zones.TTL{Min: 30, Max: 30}, Members: members}
	}
	fallback := pool("behind", member("lon", down))
	fallback.Fallback = "usual"
	lastGood := pool("lastgood", member("lon", down), member("fra", down))
	lastGood.WhenAllDown = zones.ServeLastGood
	src.Pools = []zones.Pool{
		pool("usual", member("lon", up)), pool("dead", member("lon", down)), lastGood, fallback, pool("stale", member("lon", stale)),
		pool("forced", member("lon", up), member("fra", up)), pool("drained", member("lon", up)), pool("off", member("lon", up)), pool("new", member("lon", "203.0.113.9")),
	}
	for _, p := range src.Pools {
		src.Dynamic = append(src.Dynamic, zones.Dynamic{Owner: zonetest.Name(t, p.Name+".note.test."), Rules: []zones.Rule{{Pool: p.Name}}})
	}
	slices.SortFunc(src.Dynamic, func(a, b zones.Dynamic) int { return a.Owner.Compare(b.Owner) })
	now := time.Unix(1e9, 0)
	verdict := func(s checks.State, stale bool) checks.Verdict {
		return checks.Verdict{State: s, Stale: stale, Need: 1, Count: 1, Age: time.Hour}
	}
	news := &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(map[checks.Target]checks.Verdict{
		target(up): verdict(checks.Up, false), target(down): verdict(checks.Down, false), target(stale): verdict(checks.Up, true),
	}, now), Overrides: map[string]checks.Override{
		"note.test/forced/lon":  {Admin: checks.ForceDown, Age: time.Minute},
		"note.test/drained/lon": {Admin: checks.Drain, Age: time.Minute},
		"note.test/off/lon":     {Admin: checks.ForceDown, Age: time.Minute},
	}, LastGoods: checks.NewKeyed(map[string]checks.LastGood{
		zones.ChoiceKey(src.Origin, "lastgood", "ip4"): {Epoch: 1, Names: []string{"lastgood/fra"}},
	})}
	return zones.NewTable(zonetest.Compile(t, src), news)
}

// RFC 8914: what is unusual about an answer is said with it, in text that an operator understands; an
// answer as ever says nothing.
func TestExtendedErrors(t *testing.T) {
	table := noteTable(t)
	for _, tt := range []struct{ name, want string }{
		{"usual", ""},
		{"dead", "NOERROR 0 all targets of dead are down, all are served"},
		{"lastgood", "NOERROR 0 all targets of lastgood are down, the last good are served"},
		{"behind", "NOERROR 0 fallback usual: 0 of 1 targets of behind up"},
		{"stale", "NOERROR 3 verdicts on stale are stale"},
		{"forced", "NOERROR 0 override: forced/lon down"},
		{"drained", "NOERROR 0 only drained targets of drained are up; override: drained/lon drain"},
		{"off", "NOERROR 0 all targets of off are forced down; override: off/lon down"},
		{"new", "NOERROR 0 no target of new has a verdict yet"},
	} {
		m := respond(t, table, tt.name+".note.test. A edns", dnsserver.UDP)
		got := ""
		if o, ok := option(m, dns.EDNS0EDE).(*dns.EDNS0_EDE); ok {
			got = fmt.Sprintf("%s %d %s", dns.RcodeToString[m.Rcode], o.InfoCode, o.ExtraText)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if m := respond(t, table, tt.name+".note.test. A", dnsserver.UDP); m.IsEdns0() != nil {
			t.Errorf("%s: a client without EDNS is told %v", tt.name, m.IsEdns0())
		}
	}
}

// RFC 7871 §7.2.1: "[who] receives an ECS option MUST include an ECS option in its response", with FAMILY,
// SOURCE PREFIX-LENGTH and ADDRESS as in the query, and the scope that the answer depended on: 0 where that
// is on nothing. §7.3.1: additional records belong to no subnet.
func TestClientSubnet(t *testing.T) {
	table := testTable(t)
	for _, tt := range []struct{ line, want, answer string }{
		{"ecs.pool.test. A edns ecs=198.51.100.0/24", "1 198.51.100.0/24 scope 24", "203.0.113.4"},
		{"ecs.pool.test. A edns ecs=198.51.100.7/32", "1 198.51.100.7/32 scope 24", "203.0.113.4"},
		{"ecs.pool.test. A edns ecs=192.0.2.0/24", "1 192.0.2.0/24 scope 6", "203.0.113.1"},
		// The zone has the rule for a part of this prefix alone: a longer one would get another answer.
		{"ecs.pool.test. A edns ecs=198.51.0.0/16", "1 198.51.0.0/16 scope 18", "203.0.113.1"},
		{"ecs.pool.test. A edns ecs=2001:db8::/48", "2 2001:db8::/48 scope 0", "203.0.113.1"},
		// No client is at a mapped address: it says nothing, too.
		{"ecs.pool.test. A edns ecs=::ffff:198.51.100.7/128", "2 ::ffff:198.51.100.7/128 scope 0", "203.0.113.1"},
		// §7.1.2: of length 0 it says nothing of the client: the address that asks counts, as without.
		{"ecs.pool.test. A edns ecs=0.0.0.0/0 from=198.51.100.9", "1 0.0.0.0/0 scope 0", "203.0.113.4"},
		{"ecs.pool.test. A edns ecs=0.0.0.0/0", "1 0.0.0.0/0 scope 0", "203.0.113.1"},
		{"noecs.pool.test. A edns ecs=198.51.100.0/24", "1 198.51.100.0/24 scope 0", "203.0.113.1"},
		{"mail.hard.test. A edns ecs=198.51.100.0/24", "1 198.51.100.0/24 scope 0", "192.0.2.25"},
		{"nx.hard.test. A edns ecs=198.51.100.0/24", "1 198.51.100.0/24 scope 0", ""},
		{"mail.hard.test. A edns", "", "192.0.2.25"},
	} {
		m := respond(t, table, tt.line, dnsserver.UDP)
		got, answer := "", ""
		if o, ok := option(m, dns.EDNS0SUBNET).(*dns.EDNS0_SUBNET); ok {
			addr, _ := netip.AddrFromSlice(o.Address)
			if o.Family == 1 {
				addr = addr.Unmap()
			}
			got = fmt.Sprintf("%d %s/%d scope %d", o.Family, addr, o.SourceNetmask, o.SourceScope)
		}
		for _, rr := range m.Answer {
			if a, ok := rr.(*dns.A); ok {
				answer = a.A.String()
			}
		}
		if got != tt.want || answer != tt.answer {
			t.Errorf("%s: got %q, %q; want %q, %q", tt.line, got, answer, tt.want, tt.answer)
		}
	}
	// An additional record is the one that everybody behind this resolver gets.
	m := respond(t, table, "toecs.pool.test. MX edns ecs=198.51.100.0/24", dnsserver.UDP)
	if len(m.Extra) < 2 || m.Extra[0].String() != "ecs.pool.test.\t30\tIN\tA\t203.0.113.1" || option(m, dns.EDNS0SUBNET).(*dns.EDNS0_SUBNET).SourceScope != 0 {
		t.Errorf("additional: got %s", draw(m))
	}
}
