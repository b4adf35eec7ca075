package zones

import (
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/zones/policy"
)

// A Result is what a pool has for a question. The zero Result is DrawnNoData.
type Result uint8

const (
	DrawnNoData Result = iota // NODATA
	DrawnServe                // rdata
	DrawnServFail
)

// String returns "NODATA", "serve" or "SERVFAIL".
func (r Result) String() string { return [...]string{"NODATA", "serve", "SERVFAIL"}[r] }

// A PoolAnswer is what one pool answers now. It is immutable.
type PoolAnswer struct {
	by [families]FamilyAnswer // first, since queries look at nothing else

	ID   PoolID
	Step int    // of the walk along the chain (DESIGN 3.3) that found a pool: 1 to 5
	From PoolID // the pool it is served from: ID itself, or one of its fallbacks
	// Members are the pool's own, in file order.
	Members []MemberAnswer
	// Next is when the answer, its TTL or what is to be written may be different without any news;
	// zero: never.
	Next time.Time

	wants []want
}

// A MemberAnswer is a member of a pool as it stands.
type MemberAnswer struct {
	Class    Class
	State    checks.State // by its checks alone, whatever people want; up where it has none
	Admin    checks.Admin // by override, else by the file, else Drain for a weight of 0 beside others
	Override bool         // Admin is an operator's
	Serving  bool         // in an answer of the pool, of whatever family
}

// A FamilyAnswer is the part of a pool's answer that one type of question gets. Choice and Rdata are
// what an answer is drawn from.
type FamilyAnswer struct {
	Result Result
	// ByHash: it depends on the client's address, for the pool chooses by hash, or the one of the chain that
	// it is served from.
	ByHash bool
	TTL    uint32
	From   PoolID // the pool of the chain whose members Choice has
	Choice policy.Choice
	Body   Body       // of names it has no records
	Rdata  [][][]byte // by place in Choice.Members: what it adds, in wire form; read only
	Note   Note
	Class  Class // of the members served
}

// NoLimit is the TTL of a NODATA that health has no part in: the pool has no address of that family.
const NoLimit = ^uint32(0)

// A Drawn is one answer of a pool.
type Drawn struct {
	Result  Result
	Type    uint16   // A, AAAA or CNAME
	Rdata   [][]byte // read only
	From    PoolID   // the pool of the chain that answers
	Members []int    // those drawn, by place in the file order of From
	TTL     uint32   // of a NODATA: at most that of its SOA
	Note    Note
}

// familyOf returns the family that answers a type of question.
func familyOf(qtype uint16, names bool) (family, bool) {
	switch {
	case names:
		return alias, true
	case qtype == dns.TypeA:
		return ip4, true
	case qtype == dns.TypeAAAA:
		return ip6, true
	}
	return 0, false
}

// Answer returns what a type of question gets from a pool. A pool of names has a CNAME for every type,
// one of addresses has none but A and AAAA.
func (t *Table) Answer(p PoolID, qtype uint16) *FamilyAnswer {
	f, ok := familyOf(qtype, t.set.pools[p].Names)
	if !ok {
		return &nothing
	}
	return &t.answers.at(p).by[f]
}

var nothing = FamilyAnswer{TTL: NoLimit}

// Draw makes one answer of a pool. draw is random per query, key the client's (policy.ClientKey).
func (t *Table) Draw(p PoolID, qtype uint16, draw, key uint64) Drawn {
	a := t.Answer(p, qtype)
	d := Drawn{Result: a.Result, Type: qtype, From: a.From, TTL: a.TTL, Note: a.Note}
	if t.set.pools[p].Names {
		d.Type = dns.TypeCNAME
	}
	if a.Result != DrawnServe {
		return d
	}
	for _, at := range policy.Pick(a.Choice, draw, key) {
		d.Rdata = append(d.Rdata, a.Rdata[at]...)
		d.Members = append(d.Members, a.Choice.Members[at].Index)
	}
	if len(d.Rdata) == 0 {
		d.Result = DrawnNoData // a target without an address of the family was drawn
	}
	return d
}

// resolve makes the answer of one pool.
func resolve(s *Set, in *checks.Snapshot, id PoolID) *PoolAnswer {
	sc := newScene(s, in, id)
	sol := sc.solve()
	a := &PoolAnswer{ID: id, Step: sol.step, From: sol.links[sol.place].id}
	next := forever
	for f := range families {
		until := a.family(sc, &sol, f)
		next = min(next, until)
	}
	a.Members = make([]MemberAnswer, len(sc.plan.members))
	for i := range a.Members {
		m := &sol.links[0].states[i]
		a.Members[i] = MemberAnswer{Class: m.whole.class, State: m.whole.state, Admin: m.wish.admin, Override: m.wish.over}
	}
	for f := range families {
		if a.by[f].Result == DrawnServe && sol.by[f].place == 0 {
			for _, pm := range sol.by[f].choice.Members {
				a.Members[pm.Index].Serving = true
			}
		}
	}
	a.wants = sc.wants(&sol)
	next = min(next, sc.nextChange(&sol, a.wants))
	if next < forever {
		a.Next = in.At.Add(next)
	}
	return a
}

// family fills in the answer of one family, and returns how long until its TTL is another one.
func (a *PoolAnswer) family(sc *scene, sol *solution, f family) (until time.Duration) {
	in := sol.by[f]
	out := &a.by[f]
	*out = FamilyAnswer{Result: in.result, From: sol.links[in.place].id, Class: in.class, Choice: in.choice, TTL: NoLimit}
	out.ByHash = in.choice.Mode == policy.Hash || sol.links[0].Pool.Policy == policy.HashKind
	if in.cause == noFamily {
		return forever
	}
	members := sol.links[in.place].plan.members
	for n, addrs := range in.addrs {
		var rdata [][]byte
		for _, at := range addrs {
			rdata = append(rdata, members[in.choice.Members[n].Index].addrs[at].rdata)
		}
		out.Rdata = append(out.Rdata, rdata)
	}
	out.TTL, until = sc.ttl(sol, f)
	out.pack(f)
	out.Note = sol.note(f)
	return until
}

// nextChange is how long until time alone changes something besides a TTL; forever: it does not.
func (sc *scene) nextChange(sol *solution, wants []want) time.Duration {
	next := forever
	for _, d := range append(sol.groups[:], sol.back) {
		if d.next >= 0 {
			next = min(next, d.after)
		}
	}
	for _, wishes := range sc.wishes {
		for _, w := range wishes {
			if w.left > 0 {
				next = min(next, w.left)
			}
		}
	}
	for _, w := range wants {
		if d := w.after.Sub(sc.in.At); d > 0 {
			next = min(next, d)
		}
	}
	return next
}
