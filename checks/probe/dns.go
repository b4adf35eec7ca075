package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
)

// DNS asks one question, with RD set, and judges the response.
type DNS struct {
	Aim
	Name      string   // absolute, in lower case
	RRType    uint16   // A
	Rcodes    []int    // NOERROR; sorted
	Answers   []string // rdata that must stand in the answer section, in presentation form, as written; sorted
	Transport string   // "udp" or "tcp"
}

func newDNS() *DNS {
	return &DNS{Aim: Aim{Port: 53}, RRType: dns.TypeA, Rcodes: []int{dns.RcodeSuccess}, Transport: "udp"}
}

// Type returns "dns".
func (*DNS) Type() string { return "dns" }

// Keys implements Check.
func (c *DNS) Keys() []Key {
	return []Key{
		c.addressKey(),
		c.portKey(),
		{Name: "name", Kind: Text, Doc: "the name to ask for, absolute with or without its final dot; required", Set: c.setName},
		{Name: "rrtype", Kind: Text, Default: "A", Doc: "the type to ask for", Set: c.setRRType},
		{Name: "expect", Kind: Group, Doc: "what the response must be", Keys: []Key{
			{Name: "rcode", Kind: Texts, Default: "NOERROR", Doc: "response codes that will do", Set: c.setRcodes},
			{Name: "answer", Kind: Texts, Doc: "record data that must stand in the answer, all of them", Set: c.setAnswers},
		}},
		{Name: "transport", Kind: Text, Default: "udp", Doc: "udp or tcp", Set: func(v Value) error {
			if v.Text != "udp" && v.Text != "tcp" {
				return fmt.Errorf("%s is neither udp nor tcp", quoted(v.Text))
			}
			c.Transport = v.Text
			return nil
		}},
	}
}

func (c *DNS) setName(v Value) error {
	for _, b := range []byte(v.Text) {
		if b <= ' ' || b >= 0x7f {
			return fmt.Errorf("%s is not a domain name: write other characters as \\DDD or xn--", quoted(v.Text))
		}
	}
	if _, ok := dns.IsDomainName(v.Text); !ok || v.Text == "" || len(v.Text) > maxText {
		return fmt.Errorf("%s is not a domain name", quoted(v.Text))
	}
	c.Name = dns.CanonicalName(v.Text)
	return nil
}

func (c *DNS) setRRType(v Value) error {
	typ, ok := dns.StringToType[v.Text]
	if !ok || typ == dns.TypeAXFR || typ == dns.TypeIXFR || typ == dns.TypeOPT || typ == dns.TypeNone {
		return fmt.Errorf("%s is not a type that can be asked for", quoted(v.Text))
	}
	c.RRType = typ
	return nil
}

func (c *DNS) setRcodes(v Value) error {
	var rcodes []int
	for _, s := range v.Texts {
		rcode, ok := dns.StringToRcode[s]
		if !ok || rcode > 0xfff {
			return fmt.Errorf("%s is not a response code such as NOERROR, NXDOMAIN or REFUSED", quoted(s))
		}
		rcodes = append(rcodes, rcode)
	}
	slices.Sort(rcodes)
	c.Rcodes = slices.Compact(rcodes)
	return nil
}

func (c *DNS) setAnswers(v Value) error {
	if len(v.Texts) > maxList {
		return fmt.Errorf("%d answers are more than %d", len(v.Texts), maxList)
	}
	answers := slices.Clone(v.Texts)
	for _, s := range answers {
		if strings.TrimSpace(s) == "" || len(s) > maxText || strings.ContainsAny(s, "\n\r") {
			return fmt.Errorf("%s is not record data", quoted(s))
		}
	}
	slices.Sort(answers)
	c.Answers = slices.Compact(answers)
	return nil
}

// ErrAnswer is the error of Validate for an expected answer that is no record data of the type asked for.
var ErrAnswer = errors.New("answer")

// Validate implements Check.
func (c *DNS) Validate() error {
	if c.Name == "" {
		return errors.New("name is required: the name to ask for")
	}
	if len(c.Answers) > 0 && !slices.Contains(c.Rcodes, dns.RcodeSuccess) {
		return errors.New("an answer is expected, but NOERROR is not")
	}
	_, err := c.wanted()
	return err
}

// wanted parses the expected answers as records of the type asked for. Names in them are absolute.
func (c *DNS) wanted() ([]dns.RR, error) {
	if len(c.Answers) > 0 && c.RRType == dns.TypeANY {
		return nil, errors.New("an answer cannot be expected of rrtype ANY")
	}
	var rrs []dns.RR
	for _, s := range c.Answers {
		rr, err := dns.NewRR(". 0 IN " + dns.TypeToString[c.RRType] + " " + s)
		if err != nil || rr == nil {
			return nil, fmt.Errorf("%w %s is not the data of a record of type %s", ErrAnswer, quoted(s), dns.TypeToString[c.RRType])
		}
		rrs = append(rrs, rr)
	}
	return rrs, nil
}

// Identity implements Check.
func (c *DNS) Identity(timeout time.Duration) checks.Identity {
	id := newIdentity(c.Type(), timeout)
	id.add("name", c.Name)
	id.add("rrtype", dns.Type(c.RRType).String())
	for _, rcode := range c.Rcodes {
		id.add("rcode", dns.RcodeToString[rcode])
	}
	id.add("answer", c.Answers...)
	id.add("transport", c.Transport)
	return id.sum()
}
