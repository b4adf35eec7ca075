package zones

import (
	"net/netip"
	"slices"
	"time"

	"vitalns/checks"
	"vitalns/zones/policy"
)

// A Source is one checked zone, as zonefile hands it over: nothing downstream parses text again.
// Everything in it is valid; Compile refuses only what no single zone can be wrong about.
type Source struct {
	Origin  Name
	File    string // as the user wrote it; "" where there is none
	SOA     SOA
	Records *Records // static records without the SOA, apex NS included, with a mark for each Dynamic
	Pools   []Pool
	Dynamic []Dynamic
	Watches []checks.Watch // one per target that the pools' needs name
	Content [16]byte       // digest of all that is served and how; the serial follows it
}

// SOA is the start of authority of a zone. Serial 0 means: the serial is the cluster's (a register).
type SOA struct {
	MName, RName                    Name
	Serial                          uint32
	Refresh, Retry, Expire, Minimum uint32
	TTL                             uint32
}

// An RRset is the static records of one owner and type, as Records hands them out. Rdata is in wire form,
// names inside it uncompressed; in file order, without duplicates.
type RRset struct {
	Owner Name
	Type  uint16
	TTL   uint32
	Rdata [][]byte
}

// A Dynamic is an owner of which not all is static: its addresses, or its CNAME, come from pools, or its
// addresses from an ALIAS, or hosts of its MX and SRV records from pools.
type Dynamic struct {
	Owner Name
	Rules []Rule // the first that matches wins; the last matches everything; none: no pool at the owner itself
	ECS   bool   // pools and rules look at the client subnet (RFC 7871) where the query has one
	// Alias is a name of the Set whose addresses at the time are the owner's, instead of Rules; "" none.
	Alias Name
	TTL   uint32 // the most that answers by Alias have
	Hosts []Hosts
}

// Hosts are the records of type MX or SRV of an owner, of which pools of names choose some.
type Hosts struct {
	Type  uint16
	TTL   uint32   // the most that the answer has where there are fixed ones
	Fixed [][]byte // rdata of those written out; they are always served
	Pools []HostPool
}

// A HostPool makes a record of each name that a pool serves.
type HostPool struct {
	Pool     string
	Priority uint16 // or the preference of an MX
	Port     uint16 // of an SRV; its weight is the target's
}

// A Rule sends clients to a pool. No Subnets: it matches everyone.
type Rule struct {
	Subnets []netip.Prefix
	Pool    string
}

// A Pool is targets plus a policy.
type Pool struct {
	Name        string
	Policy      policy.Kind
	MaxAnswers  int // 0: no limit
	MinHealthy  Share
	WhenAllDown AllDown
	// AllDownWritten: when_all_down stands in the file, so it also holds for one family without a
	// usable address.
	AllDownWritten bool
	Fallback       string // name of the pool of the same zone used when this one is not fit; "" none
	Failback       Failback
	Linked         bool
	TTL            TTL
	Members        []Member // in file order
}

// A Share is a number, or a percentage, of members. The zero Share is 1.
type Share struct {
	N       int
	Percent bool
}

// AllDown says what a pool answers when no member along its chain is usable.
type AllDown uint8

const (
	ServeAll AllDown = iota // as if every member not forced down were up
	ServeLastGood
	NoData
	ServFail
)

// A FailbackMode says when a better choice is returned to. The zero mode is FailbackHold.
type FailbackMode uint8

const (
	FailbackHold   FailbackMode = iota // once it has been usable for Hold
	FailbackAuto                       // at once
	FailbackManual                     // by command
)

// Failback is a pool's rule of return. The default is a hold of 30 s.
type Failback struct {
	Mode FailbackMode
	Hold time.Duration
}

// TTL is fixed where Min equals Max, else adaptive (DESIGN 3.4). Seconds.
type TTL struct{ Min, Max uint32 }

// A Member is one target of a pool. It has either addresses or a CNAME.
type Member struct {
	Name     string
	Priority int // 0 is the best
	Weight   int
	Admin    checks.Admin // from `state` in the file
	Addrs    []MemberAddr // in file order, of either family
	CNAME    Name
	Need     Need // of a CNAME
}

// Targets are the probes behind the member, each once.
func (m Member) Targets() []checks.Target {
	all := slices.Clone(m.Need.Of)
	for _, a := range m.Addrs {
		for _, t := range a.Need.Of {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// A MemberAddr is one address that may be served, and the probes that speak for it.
type MemberAddr struct {
	Addr netip.Addr
	Need Need
}

// A Need says how many of the targets must be up for an address to be up: all of them for `all`, one
// for `any`. The zero Need has no check and is always up.
type Need struct {
	K  int
	Of []checks.Target
}
