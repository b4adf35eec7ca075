package dnsserver_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A model is some zones as lists of records, and nothing else: what it answers it finds by walking the
// lists, from the apex down, as RFC 1034 §4.3.2 reads, with RFC 4592 for wildcards and RFC 6672 for
// redirections. It knows no index, no name in wire form and nothing of package zones. Its names are in
// lower case and have no escapes.
type model []*listZone

type listZone struct {
	origin string
	rrs    []dns.RR
}

// An expected is what a model answers. Of ANY it leaves open which RRset is given (RFC 8482 §4.1).
type expected struct {
	rcode  int
	aa     bool
	answer []dns.RR
	any    []dns.RR // records of the last name, of which one RRset is to follow those of answer
	ns     []dns.RR
	glue   []dns.RR // must be in the additional section (RFC 9471 §3)
}

func below(name, top string) bool {
	return name == top || top == "." || strings.HasSuffix(name, "."+top)
}

// zone returns the deepest zone that holds a name; DS belongs to the parent's side (RFC 4035 §3.1.4.1).
func (m model) zone(qname string, qtype uint16) (found *listZone) {
	var own *listZone
	for _, z := range m {
		switch {
		case !below(qname, z.origin):
		case qtype == dns.TypeDS && z.origin == qname:
			own = z
		case found == nil || below(z.origin, found.origin):
			found = z
		}
	}
	if found == nil {
		return own
	}
	return found
}

func (m model) respond(qname string, qtype uint16) expected {
	const bound = 16 // aliases that one response follows
	e := expected{aa: true}
	var seen []string
	for len(seen) < bound && !slices.Contains(seen, qname) {
		z := m.zone(qname, qtype)
		if z == nil {
			if len(seen) == 0 {
				return expected{rcode: dns.RcodeRefused}
			}
			break
		}
		seen = append(seen, qname)
		next := z.step(&e, qname, qtype)
		if len(e.ns) > 0 && len(seen) == 1 && e.ns[0].Header().Rrtype == dns.TypeNS {
			e.aa = false
		}
		if next == "" {
			break
		}
		qname = next
	}
	return e
}

// at returns the records of a name, of one type or, for ANY, of all.
func (z *listZone) at(name string, typ uint16) (out []dns.RR) {
	for _, rr := range z.rrs {
		if rr.Header().Name == name && (rr.Header().Rrtype == typ || typ == dns.TypeANY) {
			out = append(out, rr)
		}
	}
	return out
}

// exists reports whether a name has records, or something below it has.
func (z *listZone) exists(name string) bool {
	return slices.ContainsFunc(z.rrs, func(rr dns.RR) bool { return below(rr.Header().Name, name) })
}

// step answers one name of a chain and returns the next one; "" ends it.
func (z *listZone) step(e *expected, qname string, qtype uint16) (next string) {
	at := z.origin
	for {
		if ns := z.at(at, dns.TypeNS); len(ns) > 0 && at != z.origin && !(at == qname && qtype == dns.TypeDS) {
			z.refer(e, at, ns)
			return ""
		}
		if at == qname {
			return z.data(e, qname, at, qtype)
		}
		if dname := z.at(at, dns.TypeDNAME); len(dname) > 0 {
			return redirect(e, qname, qtype, dname[0].(*dns.DNAME))
		}
		labels := dns.SplitDomainName(strings.TrimSuffix(qname, at))
		child := labels[len(labels)-1] + "." + strings.TrimPrefix(at, ".")
		if !z.exists(child) {
			if wild := "*." + strings.TrimPrefix(at, "."); z.exists(wild) {
				return z.data(e, qname, wild, qtype)
			}
			e.rcode, e.ns = dns.RcodeNameError, z.negative()
			return ""
		}
		at = child
	}
}

// data answers with what a name has; owner may be a wildcard that stands for it.
func (z *listZone) data(e *expected, qname, owner string, qtype uint16) (next string) {
	rrs := spelt(z.at(owner, qtype), qname)
	switch cname := spelt(z.at(owner, dns.TypeCNAME), qname); {
	case len(rrs) > 0 && qtype == dns.TypeANY:
		e.any = rrs
	case len(rrs) > 0:
		e.answer = append(e.answer, rrs...)
	case len(cname) > 0:
		e.answer = append(e.answer, cname...)
		return cname[0].(*dns.CNAME).Target
	default:
		e.ns = z.negative()
	}
	return ""
}

func (z *listZone) refer(e *expected, cut string, ns []dns.RR) {
	e.ns = ns
	for _, rr := range ns {
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if host := rr.(*dns.NS).Ns; below(host, cut) {
				e.glue = append(e.glue, z.at(host, typ)...)
			}
		}
	}
}

// negative is the SOA record that says how long absence may be believed (RFC 2308 §3).
func (z *listZone) negative() []dns.RR {
	soa := dns.Copy(z.at(z.origin, dns.TypeSOA)[0]).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return []dns.RR{soa}
}

// redirect answers with a DNAME and the CNAME that follows from it (RFC 6672 §3.2).
func redirect(e *expected, qname string, qtype uint16, d *dns.DNAME) (next string) {
	if !slices.ContainsFunc(e.answer, func(rr dns.RR) bool { return dns.IsDuplicate(rr, d) }) {
		e.answer = append(e.answer, d)
	}
	target := strings.TrimSuffix(qname, d.Hdr.Name) + d.Target
	length := 1 // of the name in octets
	for _, label := range dns.SplitDomainName(target) {
		length += 1 + len(label)
	}
	if length > 255 {
		e.rcode = dns.RcodeYXDomain
		return ""
	}
	e.answer = append(e.answer, &dns.CNAME{Hdr: dns.RR_Header{Name: qname, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: d.Hdr.Ttl}, Target: target})
	if qtype == dns.TypeCNAME || qtype == dns.TypeANY {
		return ""
	}
	return target
}

// spelt returns copies of records with another owner.
func spelt(rrs []dns.RR, owner string) (out []dns.RR) {
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		rr.Header().Name = owner
		out = append(out, rr)
	}
	return out
}

// differs says how a response differs from what the model expects of it; "" if it does not. What is in the
// additional section must be there by the model too, as data or as glue.
func (m model) differs(got *dns.Msg, e expected) string {
	if got.Rcode != e.rcode || got.Authoritative != e.aa || got.Truncated {
		return fmt.Sprintf("want rcode %s, aa %v", dns.RcodeToString[e.rcode], e.aa)
	}
	answer := lines(got.Answer)
	if e.any != nil {
		rest := slices.DeleteFunc(slices.Clone(got.Answer), func(rr dns.RR) bool { return slices.Contains(lines(e.answer), line(rr)) })
		if len(rest) == 0 {
			return fmt.Sprintf("want an RRset of\n%s", strings.Join(lines(e.any), "\n"))
		}
		one := slices.DeleteFunc(slices.Clone(e.any), func(rr dns.RR) bool { return rr.Header().Rrtype != rest[0].Header().Rrtype })
		e.answer = slices.Concat(e.answer, one)
	}
	if want := lines(e.answer); !slices.Equal(answer, want) {
		return "want answer\n" + strings.Join(want, "\n")
	}
	if want := lines(e.ns); !slices.Equal(lines(got.Ns), want) {
		return "want authority\n" + strings.Join(want, "\n")
	}
	extra := lines(got.Extra)
	for _, want := range lines(e.glue) {
		if !slices.Contains(extra, want) {
			return "want glue " + want
		}
	}
	for _, rr := range got.Extra {
		if rr.Header().Rrtype != dns.TypeOPT && !m.knows(rr) {
			return "nobody has " + line(rr)
		}
	}
	return ""
}

// knows reports whether a record is in a zone, or follows from a wildcard there.
func (m model) knows(rr dns.RR) bool {
	h := rr.Header()
	for _, z := range m {
		if slices.Contains(lines(z.at(h.Name, h.Rrtype)), line(rr)) {
			return true
		}
	}
	e := m.respond(h.Name, h.Rrtype)
	return e.aa && slices.Contains(lines(e.answer), line(rr))
}

func line(rr dns.RR) string { return strings.ReplaceAll(rr.String(), "\t", " ") }

// lines prints records, sorted.
func lines(rrs []dns.RR) (out []string) {
	for _, rr := range rrs {
		out = append(out, line(rr))
	}
	slices.Sort(out)
	return out
}
