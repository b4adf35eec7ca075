package zones

import (
	"net/netip"

	"github.com/miekg/dns"
)

// A Table is a Set and what its pools answer now. It is immutable: a verdict makes a new one.
type Table struct {
	set *Set
}

// NewTable returns a table of a set whose pools all are as the file has them.
func NewTable(s *Set) *Table { return &Table{set: s} }

// Set returns the zones of the table.
func (t *Table) Set() *Set { return t.set }

// Serial returns the SOA serial of a zone.
func (t *Table) Serial(zone ZoneID) uint32 { return t.set.zones[zone].SOA.Serial }

// Route returns the pool that the rules of a Dynamic lead a client to, and the leading bits of its
// address that decided it.
func (t *Table) Route(d DynamicID, client netip.Addr) (PoolID, int) {
	i, scope := t.set.Match(d, client)
	return t.set.RulePool(d, i), scope
}

// A Result says what a pool answers with.
type Result uint8

const (
	DrawnServe    Result = iota // Rdata
	DrawnNoData                 // NODATA
	DrawnServFail               // SERVFAIL
)

// A Note is an extended error (RFC 8914). The zero Note is none.
type Note struct {
	Code uint16
	Text string
}

// A Drawn is one answer of a pool.
type Drawn struct {
	Result Result
	Type   uint16 // A, AAAA or CNAME
	Rdata  [][]byte
	TTL    uint32
	Note   Note
}

// Draw makes one answer of a pool.
func (t *Table) Draw(p PoolID, qtype uint16, draw, key uint64) Drawn {
	pool := t.set.pools[p].Pool
	d := Drawn{Result: DrawnNoData, Type: qtype, TTL: pool.TTL.Min}
	for _, m := range pool.Members {
		if m.CNAME != "" {
			return Drawn{Type: dns.TypeCNAME, Rdata: [][]byte{[]byte(m.CNAME)}, TTL: pool.TTL.Min}
		}
		for _, a := range m.Addrs {
			if a.Addr.Is4() == (qtype == dns.TypeA) {
				d.Result, d.Rdata = DrawnServe, append(d.Rdata, a.Addr.AsSlice())
			}
		}
	}
	return d
}
