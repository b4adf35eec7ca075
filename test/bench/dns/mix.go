//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/miekg/dns"

	"vitalns/test/bench/blast"
)

// The zone that every server serves, and what is asked of it.
const (
	origin = "bench.example."
	names  = 10000
	pools  = 1000 // of the live zone, one name each
)

// A host is a name of the zone with its numbers of addresses.
type host struct{ a, aaaa int }

// hosts are the same in every run, so that runs can be compared.
func hosts() []host {
	rng := rand.New(rand.NewPCG(1, 2))
	hs := make([]host, names)
	for i := range hs {
		hs[i] = host{a: 1 + rng.IntN(4)}
		if rng.IntN(2) == 0 {
			hs[i].aaaa = 1 + rng.IntN(4)
		}
	}
	return hs
}

// masterFile writes the zone.
func masterFile() string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n", origin)
	b.WriteString("@ MX 10 mail\nmail A 192.0.2.25\n@ TXT \"v=spf1 mx -all\"\n*.wild A 192.0.2.77\nsub NS ns.sub\nns.sub A 192.0.2.88\n")
	for i, h := range hosts() {
		for n := range h.a {
			fmt.Fprintf(&b, "h%d A 10.%d.%d.%d\n", i, i>>8, i&255, 1+n)
		}
		for n := range h.aaaa {
			fmt.Fprintf(&b, "h%d AAAA 2001:db8::%x:%x\n", i, i, 1+n)
		}
		if i%10 == 0 {
			fmt.Fprintf(&b, "c%d CNAME h%d\n", i, i)
		}
	}
	return b.String()
}

// A kind is how queries are dressed.
type kind struct {
	title string
	edns  bool     // EDNS with DO and a cookie
	live  bool     // of the live zone
	jars  [][]byte // what the COOKIE option has, by lane; all of one length
}

// questions makes the mix: 70 % A, 15 % AAAA, 5 % NXDOMAIN, 5 % NODATA, 5 % others.
func questions(k kind) ([]blast.Question, error) {
	const n = 50000
	rng := rand.New(rand.NewPCG(3, 4))
	hs := hosts()
	six, none := []int{}, []int{}
	for i, h := range hs {
		if h.aaaa > 0 {
			six = append(six, i)
		} else {
			none = append(none, i)
		}
	}
	qs := make([]blast.Question, 0, n)
	for range n {
		i, name, qtype, rcode, answers := rng.IntN(names), "", dns.TypeA, dns.RcodeSuccess, 1
		switch p := rng.IntN(100); {
		case k.live:
			name, answers = fmt.Sprintf("p%d", i%pools), 2
		case p < 70:
			name, answers = fmt.Sprintf("h%d", i), hs[i].a
		case p < 85:
			i = six[rng.IntN(len(six))]
			name, qtype, answers = fmt.Sprintf("h%d", i), dns.TypeAAAA, hs[i].aaaa
		case p < 90:
			name, rcode, answers = fmt.Sprintf("nx%d", i), dns.RcodeNameError, 0
		case p < 95:
			name, qtype, answers = fmt.Sprintf("h%d", none[rng.IntN(len(none))]), dns.TypeAAAA, 0
		default:
			switch rng.IntN(5) {
			case 0:
				name = fmt.Sprintf("x%d.wild", i)
			case 1:
				name, qtype = "@", dns.TypeMX
			case 2:
				name, qtype = "@", dns.TypeTXT
			case 3:
				i = i / 10 * 10
				name, answers = fmt.Sprintf("c%d", i), 1+hs[i].a
			case 4:
				name, answers = fmt.Sprintf("www%d.sub", i), 0
			}
		}
		q, err := pack(name, qtype, k)
		if err != nil {
			return nil, err
		}
		q.Rcode, q.Answers, q.Least = byte(rcode), uint16(answers), uint16(answers)
		if name[0] == 'c' {
			q.Least = 1 // gdnsd leaves it to the resolver to follow a CNAME
		}
		qs = append(qs, q)
	}
	return qs, nil
}

func pack(name string, qtype uint16, k kind) (blast.Question, error) {
	qname := name + "." + origin
	if name == "@" {
		qname = origin
	}
	m := new(dns.Msg).SetQuestion(qname, qtype)
	m.Id, m.RecursionDesired = 0, false
	bare, err := m.Pack()
	if err != nil {
		return blast.Question{}, err
	}
	if k.edns {
		m.SetEdns0(1232, true)
		if k.jars != nil { // it stands last, where each lane puts its own
			opt := m.IsEdns0()
			opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: fmt.Sprintf("%x", k.jars[0])})
		}
	}
	wire, err := m.Pack()
	return blast.Question{Wire: wire, End: len(bare)}, err
}
