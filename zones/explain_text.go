package zones

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// record is a record on one line, its fields set apart by single spaces.
func record(rr dns.RR) string { return strings.Join(strings.Fields(rr.String()), " ") }

// String draws the explanation for people.
func (e Explanation) String() string {
	d := drawing{}
	d.line("question", e.Question+fromClient(e.Client))
	if e.Nodes > 0 {
		d.line("nodes", fmt.Sprintf("judged by %d of %d", e.Voters, e.Nodes))
	}
	for i, s := range e.Steps {
		if i > 0 && s.Name == e.Steps[i-1].Name {
			d.line("hosts", s.Outcome)
			d.pools(s)
			continue
		}
		if i > 0 {
			d.line("name", s.Name)
		}
		d.step(s)
	}
	d.line("result", e.Result)
	for _, a := range e.Answer {
		d.line("answer", a)
	}
	for _, s := range e.Steps {
		switch {
		case s.TTL > 0:
			d.line("ttl", fmt.Sprintf("%d: %s", s.TTL, s.TTLWhy))
		case s.TTLWhy != "":
			d.line("ttl", "that of the SOA: "+s.TTLWhy)
		}
		if s.Note != "" {
			d.line("note", s.Note)
		}
		for _, c := range s.Changes {
			d.line("next", c.text())
		}
	}
	return d.String()
}

func fromClient(client string) string {
	if client == "" {
		return ""
	}
	return " from " + client
}

func (c ExplainedChange) text() string {
	if c.In > 0 {
		return fmt.Sprintf("in %s, when %s: %s", inSeconds(c.In), c.When, c.Then)
	}
	return c.When + ": " + c.Then
}

func inSeconds(s float64) string { return seconds(time.Duration(s * float64(time.Second))) }

// maxSubnets bounds the subnets of a rule that are told.
const maxSubnets = 8

// ruleText tells the subnets of the i-th rule of a Dynamic.
func (s *Set) ruleText(d DynamicID, i int) []string {
	r := s.rules[s.dynamics[d].rules+uint32(i)]
	var out []string
	for n, a := range s.ranges[r.ranges : r.ranges+r.count] {
		if n == maxSubnets {
			return append(out, fmt.Sprintf("and %d more", int(r.count)-n))
		}
		out = append(out, a.prefix().String())
	}
	return out
}

// prefix returns the prefix that the range is: prefixes nest or are apart, so that merging them leaves
// prefixes.
func (a addrRange) prefix() netip.Prefix {
	first := a.first.addr()
	bits := 0
	for ; bits < first.BitLen(); bits++ {
		if same, _ := compileRanges([]netip.Prefix{netip.PrefixFrom(first, bits)}); same[0] == a {
			break
		}
	}
	return netip.PrefixFrom(first, bits)
}

func (a u128) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b).Unmap()
}

// A drawing is lines of a word and what it is about.
type drawing struct{ strings.Builder }

func (d *drawing) line(word, text string) { fmt.Fprintf(d, "%-10s %s\n", word, text) }

func (d *drawing) step(s ExplainedStep) {
	if s.Zone == "" {
		d.line("zone", "none here")
		return
	}
	d.line("zone", fmt.Sprintf("%s, serial %d", s.Zone, s.Serial))
	record := s.Record + ": " + s.Outcome
	if s.Alias != "" {
		record += " of " + s.Alias
	}
	if s.Wildcard {
		record += ", a wildcard"
	}
	d.line("record", record)
	for _, r := range s.Rules {
		word := "no"
		if r.Matches {
			word = "yes"
		}
		whom := "everyone"
		if len(r.Subnets) > 0 {
			whom = joined(r.Subnets)
		}
		d.line(fmt.Sprintf("rule %d", r.Rule), fmt.Sprintf("%s to pool %s: %s", whom, r.Pool, word))
	}
	d.pools(s)
}

// pools draws what pools have.
func (d *drawing) pools(s ExplainedStep) {
	for _, p := range s.Pools {
		d.pool(p)
	}
	if s.Walk > 0 {
		d.line("choice", fmt.Sprintf("step %d, %s: %s", s.Walk, walkWords[s.Walk], s.Choice))
	}
}

// walkWords say what each step of the walk along a chain looks for.
var walkWords = [...]string{
	1: "a pool with enough up", 2: "a pool with any up", 3: "a pool with any unknown",
	4: "a pool with any drained but up", 5: "when_all_down",
}

func (d *drawing) pool(p ExplainedPool) {
	text := fmt.Sprintf("%s, %d of %d up, %d needed", p.Policy, p.Up, p.Total, p.Need)
	if p.InUse {
		text += ", in use"
	}
	if len(p.Group) > 0 {
		text += ", group in use " + joined(p.Group)
	}
	if p.Serving {
		text += ", serving"
	}
	d.line("pool", p.Pool+": "+text)
	for _, t := range p.Targets {
		d.target(t)
	}
}

func (d *drawing) target(t ExplainedTarget) {
	mark := " "
	if t.Serving {
		mark = "*"
	}
	text := t.State
	if t.Override == nil && t.Admin != "" {
		text += ", " + t.Admin + " by the file"
	}
	d.line("", fmt.Sprintf("%s %s: %s", mark, t.Target, text))
	if t.Override != nil {
		d.line("", "    override "+t.Override.text())
	}
	for _, c := range t.Conflicts {
		d.line("", "    in conflict with "+c.text())
	}
	for _, a := range t.Addresses {
		state := a.State
		if a.Age > 0 {
			state += " for " + inSeconds(a.Age)
		}
		if len(a.Checks) == 0 {
			state += ", no check"
		}
		d.line("", "    "+a.Address+" "+state)
		for _, c := range a.Checks {
			d.line("", "      "+c.Target+" "+c.Verdict)
		}
	}
}

func (o ExplainedOverride) text() string {
	text := fmt.Sprintf("%s by %s, %s ago: %s", o.Admin, o.Owner, inSeconds(o.Age), o.Reason)
	if o.Left > 0 {
		text += ", for another " + inSeconds(o.Left)
	}
	return text
}
