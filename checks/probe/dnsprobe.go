package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"

	"github.com/miekg/dns"

	"vitalns/checks"
)

// Prober implements Check.
func (c *DNS) Prober(env *Env) checks.Prober {
	wanted, _ := c.wanted() // Validate has reported what does not parse; without it the rest is judged
	return &dnsProber{DNS: *c, env: env, wanted: wanted}
}

type dnsProber struct {
	DNS
	env    *Env
	wanted []dns.RR
}

func (p *dnsProber) Probe(ctx context.Context, t checks.Target) checks.Result {
	s := begin(ctx)
	addr, err := p.env.addr(ctx, t)
	if err != nil {
		return s.end(ctx, err)
	}
	exchange := p.overUDP
	if p.Transport == "tcp" {
		exchange = p.overTCP
	}
	query := p.query(dns.Id())
	packed, err := query.Pack()
	if err != nil {
		return s.end(ctx, void("this node: the query cannot be packed: %v", err))
	}
	resp, err := exchange(ctx, netip.AddrPortFrom(addr, t.Port), query, packed)
	if err == nil {
		err = p.judge(resp)
	}
	return s.end(ctx, err)
}

func (p *dnsProber) query(id uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Id = id
	m.RecursionDesired = true
	m.Question = []dns.Question{{Name: p.Name, Qtype: p.RRType, Qclass: dns.ClassINET}}
	m.SetEdns0(1232, false)
	return m
}

func (p *dnsProber) overUDP(ctx context.Context, to netip.AddrPort, query *dns.Msg, packed []byte) (*dns.Msg, error) {
	c, err := p.env.dialUDP(ctx, to)
	if err != nil {
		return nil, err
	}
	defer c.Close() // nothing was written that could be lost
	if _, err := c.Write(packed); err != nil {
		if isTimeout(err) {
			return nil, err
		}
		return nil, voidCall(err) // nobody has been asked yet: a filter of this node's own
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) { // an empty packet reads as the end
			return nil, during(awaiting, err)
		}
		// A packet that is not the answer to this query may be anyone's: it says nothing, and the
		// answer may still come.
		if resp, err := answerTo(query, buf[:n]); resp != nil || err != nil {
			return resp, err
		}
	}
}

func (p *dnsProber) overTCP(ctx context.Context, to netip.AddrPort, query *dns.Msg, packed []byte) (*dns.Msg, error) {
	c, err := p.env.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	defer c.Close() // by a reset: nothing is lost that was not read
	message := append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	if _, err := c.Write(message); err != nil {
		return nil, during("while sending", err)
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, during(awaiting, err)
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return nil, during(awaiting, err)
	}
	resp, err := answerTo(query, buf)
	if resp == nil && err == nil {
		err = failed("the response is not to the question")
	}
	return resp, err
}

// answerTo parses the response to query; nil and no error if b is something else. A server that cannot make sense of
// the question may leave it out, or leave out what follows the header (FORMERR, NOTIMP).
func answerTo(query *dns.Msg, b []byte) (*dns.Msg, error) {
	const header, qr = 12, 0x80
	if len(b) < header || binary.BigEndian.Uint16(b) != query.Id || b[2]&qr == 0 {
		return nil, nil
	}
	resp := new(dns.Msg)
	if err := resp.Unpack(b); err != nil {
		return nil, failed("malformed response")
	}
	q := query.Question[0]
	if len(resp.Question) == 0 && resp.Rcode != dns.RcodeSuccess {
		return resp, nil
	}
	if len(resp.Question) != 1 || dns.CanonicalName(resp.Question[0].Name) != q.Name ||
		resp.Question[0].Qtype != q.Qtype || resp.Question[0].Qclass != q.Qclass {
		return nil, nil
	}
	return resp, nil
}

func (p *dnsProber) judge(resp *dns.Msg) error {
	if !slices.Contains(p.Rcodes, resp.Rcode) {
		return failed("rcode %s", rcodeName(resp.Rcode))
	}
	for i, want := range p.wanted {
		if slices.ContainsFunc(resp.Answer, func(rr dns.RR) bool { return sameData(rr, want) }) {
			continue
		}
		if resp.Truncated {
			return failed("answer truncated, lacks %s: use transport tcp", quoted(p.Answers[i]))
		}
		return failed("answer lacks %s", quoted(p.Answers[i]))
	}
	return nil
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return strconv.Itoa(rcode)
}

// sameData compares type and rdata, names in it without regard to case.
func sameData(rr, want dns.RR) bool {
	h := *rr.Header()
	rr = dns.Copy(rr)
	rr.Header().Name = want.Header().Name
	return h.Class == dns.ClassINET && dns.IsDuplicate(rr, want)
}
