package zones

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones/policy"
)

// A Question is what Explain explains the answer to.
type Question struct {
	Name   Name
	Type   uint16
	Client netip.Addr // the zero Addr: one that no rule names
}

// An Explanation walks from a question to its answer: record, rule, pool, each target with its votes,
// the policy's choice, the TTL, and what would change next and when. Its JSON is stable.
type Explanation struct {
	Schema   int             `json:"schema"`
	Question string          `json:"question"` // "www.example.com. A"
	Client   string          `json:"client,omitempty"`
	Voters   int             `json:"voters,omitempty"` // nodes that judge, where they are fewer than Nodes
	Nodes    int             `json:"nodes,omitempty"`
	Steps    []ExplainedStep `json:"steps"` // one per name of a chain of CNAMEs and ALIASes, and per pool of hosts
	Result   string          `json:"result"`
	Answer   []string        `json:"answer"` // records in presentation form: all that it is drawn from
}

// An ExplainedStep is what one name of a chain leads to.
type ExplainedStep struct {
	Name     string            `json:"name"`
	Zone     string            `json:"zone,omitempty"`
	Serial   uint32            `json:"serial,omitempty"`
	Record   string            `json:"record,omitempty"` // owner of what answers
	Wildcard bool              `json:"wildcard,omitempty"`
	Outcome  string            `json:"outcome"`
	Alias    string            `json:"alias,omitempty"` // the name that an ALIAS follows
	Rules    []ExplainedRule   `json:"rules,omitempty"`
	Pools    []ExplainedPool   `json:"pools,omitempty"` // along the chain of fallbacks
	Walk     int               `json:"walk,omitempty"`  // step of the walk along it that found a pool, 1 to 5
	Choice   string            `json:"choice,omitempty"`
	TTL      uint32            `json:"ttl,omitempty"`
	TTLWhy   string            `json:"ttl_why,omitempty"`
	Note     string            `json:"note,omitempty"` // the extended error
	Changes  []ExplainedChange `json:"changes,omitempty"`
}

// An ExplainedRule is a rule that was tried.
type ExplainedRule struct {
	Rule    int      `json:"rule"`              // from 1
	Subnets []string `json:"subnets,omitempty"` // none: everyone
	Pool    string   `json:"pool"`
	Matches bool     `json:"matches"`
}

// An ExplainedPool is a pool of the chain.
type ExplainedPool struct {
	Pool    string            `json:"pool"`
	Policy  string            `json:"policy"`
	Up      int               `json:"up"`
	Total   int               `json:"total"`
	Need    int               `json:"need"` // members that have to be up
	InUse   bool              `json:"in_use"`
	Serving bool              `json:"serving"`
	Group   []string          `json:"group,omitempty"` // the group in use by its register
	Targets []ExplainedTarget `json:"targets"`
}

// An ExplainedTarget is a target of a pool. Ages and times left are seconds.
type ExplainedTarget struct {
	Target    string              `json:"target"`
	State     string              `json:"state"` // up, unknown, drained, down, forced down
	Serving   bool                `json:"serving"`
	Admin     string              `json:"admin,omitempty"` // up, drain or down where someone wants that
	Override  *ExplainedOverride  `json:"override,omitempty"`
	Addresses []ExplainedAddress  `json:"addresses"`
	Conflicts []ExplainedOverride `json:"conflicts,omitempty"` // overrides written without having seen this one
}

// An ExplainedOverride is an operator's word.
type ExplainedOverride struct {
	Admin  string  `json:"admin"`
	Owner  string  `json:"owner"`
	Reason string  `json:"reason"`
	Age    float64 `json:"age"`
	Left   float64 `json:"left,omitempty"`
}

// An ExplainedAddress is an address, or the name, of a target.
type ExplainedAddress struct {
	Address string           `json:"address"`
	State   string           `json:"state"`
	Age     float64          `json:"age,omitempty"`
	Stale   bool             `json:"stale,omitempty"`
	Checks  []ExplainedCheck `json:"checks"` // none: it is always up
}

// An ExplainedCheck is a verdict with its votes.
type ExplainedCheck struct {
	Check   string          `json:"check"`  // label, ZONE/CHECK
	Target  string          `json:"target"` // what is probed
	State   string          `json:"state"`
	Verdict string          `json:"verdict"` // drawn: "down 2/3 (a down: refused, ...)"
	Doubt   bool            `json:"doubt,omitempty"`
	Age     float64         `json:"age"`
	Votes   []ExplainedVote `json:"votes"`
}

// An ExplainedVote is one node's part in a verdict.
type ExplainedVote struct {
	Node     string  `json:"node"`
	State    string  `json:"state"`
	Reason   string  `json:"reason,omitempty"`
	Age      float64 `json:"age"`
	Doubt    bool    `json:"doubt,omitempty"`
	Abstains bool    `json:"abstains,omitempty"`
	Stale    bool    `json:"stale,omitempty"`
}

// An ExplainedChange is what would change the answer next.
type ExplainedChange struct {
	In   float64 `json:"in,omitempty"` // seconds, where the time is known
	When string  `json:"when"`
	Then string  `json:"then"`
}

// maxExplained bounds the names of a CNAME chain that are walked.
const maxExplained = 16

// Explain walks from a question to its answer, with what a table and the snapshot it was made from say.
func Explain(t *Table, in *checks.Snapshot, q Question) Explanation {
	e := Explanation{Schema: 1, Question: q.Name.String() + " " + dns.Type(q.Type).String(), Answer: []string{}}
	if q.Client.IsValid() {
		e.Client = q.Client.String()
	}
	if len(in.Voters) < in.Nodes {
		e.Voters, e.Nodes = len(in.Voters), in.Nodes
	}
	x := explaining{Table: t, in: in, q: q, e: &e}
	for name := q.Name; name != "" && len(e.Steps) < maxExplained; {
		name = x.step(name)
		if text := name.String(); slices.ContainsFunc(e.Steps, func(s ExplainedStep) bool { return s.Name == text }) {
			x.circle, name = true, ""
		}
	}
	x.end()
	return e
}

// An explaining is an Explanation on its way, with the records of the answer.
type explaining struct {
	*Table
	in     *checks.Snapshot
	q      Question
	e      *Explanation
	answer []dns.RR
	alias  Name // where an ALIAS was met; "" nowhere
	behind int  // steps before the one that has it
	circle bool // the way leads back to where it came by
}

// step explains one name and returns the one it leads to.
func (x *explaining) step(name Name) (next Name) {
	out := x.set.Lookup(name, x.q.Type)
	x.e.Steps = append(x.e.Steps, ExplainedStep{Name: name.String(), Outcome: out.Kind.String(), Wildcard: out.Wildcard})
	s := &x.e.Steps[len(x.e.Steps)-1]
	if out.Kind == NotAuthoritative {
		if len(x.e.Steps) == 1 {
			x.e.Result = "REFUSED"
		}
		x.lost()
		return ""
	}
	z := x.set.Zone(out.Zone)
	s.Zone, s.Serial, s.Record = z.Label, x.Serial(out.Zone), out.Owner.String()
	switch out.Kind {
	case Pooled:
		return x.pool(out, name, s)
	case Followed:
		return x.follow(out, name, s)
	case Hosted:
		x.hosts(out, name, s)
	case Positive, Alias, Redirect, Referral:
		x.e.Result = "NOERROR"
		for _, rr := range out.RRset.Unpack(owner(out, name)) {
			x.add(rr)
			if c, ok := rr.(*dns.CNAME); ok && out.Kind == Alias {
				next, _ = ParseName(c.Target)
			}
		}
		if out.Kind == Redirect && x.alias != "" {
			next, _ = x.set.behind(name, out)
		}
		s.TTL, s.TTLWhy = out.RRset.TTL(), "static"
		if out.Kind == Referral {
			x.lost()
		}
	case ApexSOA:
		x.e.Result = "NOERROR"
		x.add(x.set.UnpackSOA(out.Zone, s.Serial, z.SOA.TTL))
	case NoSuchType:
		x.e.Result = "NODATA"
	case NoSuchName:
		x.e.Result = "NXDOMAIN"
	}
	return next
}

// owner is the name that records answer under.
func owner(out Outcome, name Name) string {
	if out.Kind == Redirect || out.Kind == Referral {
		return out.Owner.String()
	}
	return name.String()
}

// pool explains an owner that answers from pools, and returns the name a CNAME leads to where exactly one
// is drawn from.
func (x *explaining) pool(out Outcome, name Name, s *ExplainedStep) (next Name) {
	matched, _ := x.set.Match(out.Dynamic, x.q.Client)
	if x.set.Rules(out.Dynamic) > 1 {
		for i := range matched + 1 {
			pool := x.set.pools[x.set.RulePool(out.Dynamic, i)].Pool.Name
			s.Rules = append(s.Rules, ExplainedRule{
				Rule: i + 1, Subnets: x.set.ruleText(out.Dynamic, i), Pool: pool, Matches: i == matched,
			})
		}
	}
	id := x.set.RulePool(out.Dynamic, matched)
	f, ok := familyOf(x.q.Type, x.set.pools[id].Names)
	if !ok {
		f = ip4
	}
	x.e.Result = resultWords[x.chosen(id, f, s)]
	answer := x.All(id, familyTypes[f])
	if answer.Result != DrawnServe {
		return ""
	}
	for _, r := range answer.Rdata {
		x.add(UnpackRdata(name.String(), familyTypes[f], s.TTL, r))
	}
	if f == alias && len(answer.Rdata) == 1 && x.q.Type != dns.TypeCNAME {
		next = Name(answer.Rdata[0])
	}
	return next
}

var resultWords = map[Result]string{DrawnServe: "NOERROR", DrawnServFail: "SERVFAIL", DrawnNoData: "NODATA"}

// chosen explains what a pool has for one family.
func (x *explaining) chosen(id PoolID, f family, s *ExplainedStep) Result {
	sc := newScene(x.set, x.in, id)
	sol := sc.solve()
	s.Walk = sol.step
	for k := range sol.links {
		s.Pools = append(s.Pools, sc.explainLink(&sol, k, f))
	}
	a := sol.by[f]
	s.Choice = sol.choiceText(f)
	if x.q.Client.IsValid() && a.result == DrawnServe && a.choice.Mode == policy.Hash {
		key := policy.ClientKey(netip.PrefixFrom(x.q.Client, x.q.Client.BitLen()))
		own := a.choice.Members[policy.Pick(a.choice, 0, key)[0]]
		s.Choice += ": " + sol.links[a.place].Pool.Members[own.Index].Name
	}
	s.TTLWhy = sc.ttlWhy(&sol, f)
	if a.cause != noFamily {
		s.TTL, _ = sc.ttl(&sol, f)
	}
	s.Note = sol.note(f).Text
	s.Changes = sc.changes(&sol, f)
	return a.result
}

// explainLink explains one pool of a chain.
func (sc *scene) explainLink(sol *solution, place int, f family) ExplainedPool {
	l := &sol.links[place]
	p := ExplainedPool{
		Pool: l.Pool.Name, Policy: l.Pool.Policy.String(), Up: l.up, Total: len(l.states), Need: l.need,
		InUse: sol.inUse == place, Serving: sol.by[f].place == place && sol.by[f].result == DrawnServe,
		Targets: []ExplainedTarget{},
	}
	var d due
	if g := sc.use(l, f, &d).group; g >= 0 {
		p.Group = l.groups[g].names
	}
	serving := map[int]bool{}
	if p.Serving {
		for _, pm := range sol.by[f].choice.Members {
			serving[pm.Index] = true
		}
	}
	for i := range l.states {
		p.Targets = append(p.Targets, sc.explainTarget(l, i, serving[i]))
	}
	return p
}

func (sc *scene) explainTarget(l *link, i int, serving bool) ExplainedTarget {
	m := &l.states[i]
	out := ExplainedTarget{
		Target: l.Pool.Members[i].Name, State: m.whole.class.String(), Serving: serving, Addresses: []ExplainedAddress{},
	}
	if m.wish.admin != checks.Auto {
		out.Admin = m.wish.admin.String()
	}
	if o, ok := sc.in.Override(l.plan.members[i].override); ok && (m.wish.over || len(o.Conflict) > 0) {
		over := explainOverride(o)
		out.Override = &over
		for _, c := range o.Conflict {
			out.Conflicts = append(out.Conflicts, explainOverride(c))
		}
	}
	for n, a := range l.plan.members[i].addrs {
		c := m.addrs[n]
		addr := ExplainedAddress{
			Address: rdataString(a), State: c.state.String(), Age: age(c.age), Stale: c.stale, Checks: []ExplainedCheck{},
		}
		for _, at := range a.of {
			addr.Checks = append(addr.Checks, sc.explainCheck(l, l.own[at]))
		}
		out.Addresses = append(out.Addresses, addr)
	}
	return out
}

func explainOverride(o checks.Override) ExplainedOverride {
	return ExplainedOverride{
		Admin: o.Admin.String(), Owner: o.Owner, Reason: o.Reason, Age: o.Age.Seconds(), Left: o.Left.Seconds(),
	}
}

func rdataString(a addrPlan) string {
	if a.family == alias {
		return Name(a.rdata).String()
	}
	addr, _ := netip.AddrFromSlice(a.rdata)
	return addr.String()
}

// age is seconds; 0 for what never changes.
func age(d time.Duration) float64 {
	if d == forever {
		return 0
	}
	return d.Seconds()
}

func (sc *scene) explainCheck(l *link, t checks.Target) ExplainedCheck {
	v := sc.in.Verdict(t)
	c := ExplainedCheck{
		Target: t.String(), State: v.State.String(), Verdict: v.String(), Doubt: v.Doubt, Age: v.Age.Seconds(),
		Votes: []ExplainedVote{},
	}
	for _, w := range sc.set.zones[l.ZoneID].Watches {
		if w.Target == t {
			c.Check = w.Check
		}
	}
	for _, vote := range v.Votes {
		c.Votes = append(c.Votes, ExplainedVote{
			Node: vote.Node, State: vote.State.String(), Reason: string(vote.Reason), Age: vote.Age.Seconds(),
			Doubt: vote.Doubt, Abstains: vote.Abstains, Stale: vote.Stale,
		})
	}
	return c
}

// choiceText says how an answer is drawn from what the policy chose.
func (s *solution) choiceText(f family) string {
	a := s.by[f]
	l := &s.links[a.place]
	switch {
	case a.cause == noFamily:
		return fmt.Sprintf("NODATA, no target of %s has an %s", l.Pool.Name, familyWords[f])
	case a.cause == addsNone:
		return fmt.Sprintf("NODATA, the targets of %s in use have no %s", l.Pool.Name, familyWords[f])
	case a.result != DrawnServe:
		return a.result.String()
	}
	switch a.choice.Mode {
	case policy.Draw:
		return limited("drawn by weight", a.choice.Max, len(a.choice.Members))
	case policy.Hash:
		return "one by hash of the client's prefix"
	}
	if a.group >= 0 {
		return "group " + joined(l.groups[a.group].names)
	}
	return limited("together, rotated", a.choice.Max, len(a.choice.Members))
}
