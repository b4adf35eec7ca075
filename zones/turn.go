package zones

import (
	"math"
	"slices"

	"github.com/miekg/dns"

	"vitalns/zones/policy"
)

// A Turn is what a pool of addresses answers for one family in the most frequent case: it serves, few members
// take turns, each adds one record, and nothing of the query but its draw (policy.Turn) decides which. It is
// all that such a query needs of the pool, in two lines of memory, and mostly in the first. The zero Turn is
// every other case, for Answer to tell.
type Turn struct {
	TTL     uint32
	From    PoolID // as in FamilyAnswer
	Members uint8  // that take turns
	Size    uint8  // how many of them one answer has; at most Members
	width   uint8  // of a record
	index   [maxTurn]uint8
	records [turnSize - 16]byte // by place in Choice.Members: owned by the name of the question
}

const (
	turnSize = 128 // bytes of a Turn: two lines of memory
	maxTurn  = 5
)

// turns are those of a page of pools. They have no pointers, so that the runtime keeps nothing beside them and
// each begins with a line.
type turns [pageSize]Turn

// withTurns returns the pages of a family with the Turns of these answers put in, which are ascending by id: the
// same pages where no Turn is another one, as in a family that the pools have no addresses of.
func withTurns(pages []*turns, f family, answers []*PoolAnswer) []*turns {
	next, last := pages, -1
	for _, a := range answers {
		page, i := int(a.ID/pageSize), a.ID%pageSize
		t := a.by[f].turn(f)
		if next[page][i] == t {
			continue
		}
		if last < 0 {
			next = slices.Clone(pages)
		}
		if page != last {
			own := *next[page]
			next[page], last = &own, page
		}
		next[page][i] = t
	}
	return next
}

// Turn returns the Turn of a pool for a type of question, which is A or AAAA.
func (t *Table) Turn(p PoolID, qtype uint16) *Turn {
	f := ip4
	if qtype == dns.TypeAAAA {
		f = ip6
	}
	return &t.answers.turns[f][p/pageSize][p%pageSize]
}

// Index returns the place of a member in the file order of From.
func (t *Turn) Index(member int) int { return int(t.index[member]) }

// Records returns those of an answer that begins with a member, in wire form: two pieces, of which the second
// may be empty. They are shared: read only.
func (t *Turn) Records(from int) (first, rest []byte) {
	to, over := from+int(t.Size), 0
	if n := int(t.Members); to > n {
		to, over = n, to-n
	}
	w := int(t.width)
	return t.records[from*w : to*w], t.records[:over*w]
}

// turn returns the Turn that an answer is, if it is one. An answer by hash is none: its members do not stand
// together, or they are those of a fallback, which its Note says.
func (a *FamilyAnswer) turn(f family) (t Turn) {
	n := len(a.Choice.Members)
	if a.Result != DrawnServe || a.Choice.Mode != policy.Together || a.Note != (Note{}) || n > maxTurn {
		return Turn{}
	}
	at := t.records[:0]
	for i, rdata := range a.Rdata {
		index := a.Choice.Members[i].Index
		if len(rdata) != 1 || index > math.MaxUint8 || len(at)+recordHead+len(rdata[0]) > len(t.records) {
			return Turn{}
		}
		t.index[i], t.width = uint8(index), uint8(recordHead+len(rdata[0]))
		at = appendRecord(at, familyTypes[f], a.TTL, rdata[0])
	}
	t.TTL, t.From, t.Members, t.Size = a.TTL, a.From, uint8(n), uint8(a.Choice.Size())
	return t
}
