package node

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/zones"
)

// Explain walks from a question to its answer. An empty type is A; an empty from is no client that a rule
// names.
func (n *Node) Explain(ctx context.Context, name, qtype, from string) (zones.Explanation, error) {
	qname, err := zones.ParseName(name)
	if err != nil {
		return zones.Explanation{}, badRequest("", "name %q: %v", name, err)
	}
	q := zones.Question{Name: qname, Type: dns.TypeA}
	if qtype != "" {
		t, ok := dns.StringToType[strings.ToUpper(qtype)]
		if !ok {
			return zones.Explanation{}, badRequest("", "%q is no record type", qtype)
		}
		q.Type = t
	}
	if from != "" {
		addr, err := netip.ParseAddr(from)
		if prefix, perr := netip.ParsePrefix(from); err != nil && perr == nil {
			addr, err = prefix.Addr(), nil
		}
		if err != nil {
			return zones.Explanation{}, badRequest("an address, as 192.0.2.7, or a prefix", "from %q is no address", from)
		}
		q.Client = addr
	}
	var e zones.Explanation
	err = n.call(ctx, func(time.Time) { e = zones.Explain(n.table.Load(), n.snapshot.Load(), q) })
	return e, err
}

// oneLine explains in one line, for `dig CH TXT NAME`; "" for a name that is not served. It waits for
// nobody, so that around a swap the votes it names may be a turn newer than the answer.
func (n *Node) oneLine(name zones.Name) string {
	t := n.table.Load()
	if t.Set().Lookup(name, dns.TypeA).Kind == zones.NotAuthoritative {
		return ""
	}
	return zones.Explain(t, n.snapshot.Load(), zones.Question{Name: name, Type: dns.TypeA}).Line()
}

func typeText(t uint16) string { return dns.Type(t).String() }
