package packed

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// An Answerer answers queries, one after the other: it is not for two goroutines at once. What it keeps
// between them is space.
type Answerer struct {
	nsid    []byte
	udpSize int

	trace edge.Trace // of the last answer

	in    *edge.Request
	q     *edge.Query
	table *zones.Table
	set   *zones.Set
	w     writer
	response

	out     zones.Outcome // of the last name of the chain
	leads   []lead
	mark    mark // where the RRset being added begins
	notes   [maxNotes]note
	passed  []zones.Name
	picked  []int
	lowered []byte // names, in lower case
}

// A response is what is known of the one being written. It begins as the zero response.
type response struct {
	limit                        int // the most bytes it may have
	answers, authorities, extras int // records
	scope                        int // leading bits of the client subnet that the answer depended on
	noted                        int // of the notes
	padding                      int // bytes, where it is padded
	aa                           bool
	padded                       bool
	referral                     bool // to cut
	courteous                    bool // what is added is additional
	required                     bool // what is added must not be left out
}

// loweredSpace bounds the names with capitals of one response; full: it is left to Respond.
const loweredSpace = 2048

// New returns an Answerer of a node of this name (RFC 5001) that sends at most udpSize bytes over UDP.
func New(nsid string, udpSize uint16) *Answerer {
	return &Answerer{
		nsid: []byte(nsid[:min(len(nsid), maxNSID)]), udpSize: int(max(udpSize, dns.MinMsgSize)),
		leads: make([]lead, 0, maxLeads), passed: make([]zones.Name, 0, maxChain), lowered: make([]byte, 0, loweredSpace),
	}
}

// Answer writes the response to a well formed query into out and returns its length. It is the one that
// Respond gives, or ok is false: then it is Respond's to answer. The trace is good until the next query.
func (a *Answerer) Answer(t *zones.Table, q *edge.Query, in *edge.Request, out []byte) (n int, tr *edge.Trace, ok bool) {
	if q.Opcode != dns.OpcodeQuery || q.Name == nil || q.Class != dns.ClassINET || q.TSIG != 0 || q.Version != 0 {
		return 0, nil, false
	}
	switch q.Type {
	case dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeNone:
		return 0, nil, false
	}
	a.q, a.in, a.table, a.set = q, in, t, t.Set()
	a.response = response{limit: a.most()}
	end := headerSize + len(q.Name) + 4
	if len(out) < end {
		return 0, nil, false
	}
	a.trace.Zone, a.trace.Source, a.trace.Truncated, a.trace.Pool, a.trace.Members = edge.NoZone, edge.FromError, false, 0, a.trace.Members[:0]
	a.w.reset(out[:min(len(out), a.limit)], q.Name)
	a.leads, a.lowered = a.leads[:0], a.lowered[:0]
	a.w.n = copy(out, q.Wire[:end])

	rcode := a.chain()
	if a.w.lost {
		return 0, nil, false
	}
	if rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError {
		a.clear(end)
		a.aa = false
		a.trace.Source, a.trace.Members = edge.FromError, a.trace.Members[:0]
	} else if len(a.leads) > 0 || a.referral {
		a.additional()
	}
	if a.w.over && a.short() || a.w.lost {
		return 0, nil, false
	}
	if a.w.over || a.w.n+a.optSize() > a.limit {
		a.fit(end)
	}
	a.trace.Rcode, a.trace.Authoritative, a.trace.Answered = rcode, a.aa, a.answers > 0
	a.header(out, rcode)
	if q.EDNS {
		a.pad()
		a.writeOPT()
	}
	if a.w.over {
		return 0, nil, false // out is too short even for the record that says so
	}
	return a.w.n, &a.trace, true
}

// most is the most bytes the response may have.
func (a *Answerer) most() int {
	switch {
	case a.in.Stream:
		return dns.MaxMsgSize - 1
	case !a.q.EDNS:
		return dns.MinMsgSize
	}
	return min(max(int(a.q.Size), dns.MinMsgSize), a.udpSize)
}

// short reports whether the space for the response is less than the client has.
func (a *Answerer) short() bool { return len(a.w.buf) < a.limit }

// clear takes the records out of the response.
func (a *Answerer) clear(end int) {
	a.w.n, a.w.over = end, false
	a.answers, a.authorities, a.extras = 0, 0, 0
}

// fit leaves out what the client has no room for: after additional records that are a courtesy the extended
// errors, and when what is left does not fit, everything, with TC set, so that the client comes back over
// TCP.
func (a *Answerer) fit(end int) {
	a.noted = 0
	if !a.w.over && a.w.n+a.optSize() <= a.limit {
		return
	}
	a.trace.Truncated = true
	a.clear(end)
}

// header writes the header. Of the query's it keeps ID, opcode and RD.
func (a *Answerer) header(out []byte, rcode int) {
	flags := 1<<15 | rcode
	if a.aa {
		flags |= 1 << 10
	}
	if a.trace.Truncated {
		flags |= 1 << 9
	}
	if a.q.RD {
		flags |= 1 << 8
	}
	extras := a.extras
	if a.q.EDNS {
		extras++
	}
	const questions = 1
	binary.BigEndian.PutUint64(out[2:], uint64(flags)<<48|questions<<32|uint64(uint16(a.answers))<<16|uint64(uint16(a.authorities)))
	binary.BigEndian.PutUint16(out[10:], uint16(extras))
}

// view is a name as bytes: read only.
func view(n zones.Name) []byte { return unsafe.Slice(unsafe.StringData(string(n)), len(n)) }

// text is a name in canonical form that stands in a buffer, for as long as it does.
func text(b []byte) zones.Name { return zones.Name(unsafe.String(unsafe.SliceData(b), len(b))) }

// lower8 puts the ASCII letters among 8 bytes in lower case. Lengths of labels are none.
func lower8(x uint64) uint64 {
	const ones, low7 = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	atLeastA := x&low7 + ones*(0x80-'A')
	beyondZ := x&low7 + ones*(0x80-'Z'-1)
	return x | (atLeastA&^beyondZ&^x&(ones<<7))>>2
}

func lower1(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// canonical is a name in lower case, good until the next query: the very bytes, where they are that already,
// which they are most often. What has just been written could not be read at once.
func (a *Answerer) canonical(name []byte) zones.Name {
	if isLower(name) {
		return text(name)
	}
	from := len(a.lowered)
	if from+len(name) > cap(a.lowered) {
		a.w.lost = true
		return zones.Root
	}
	a.lowered = a.lowered[:from+len(name)]
	out, at := a.lowered[from:], 0
	for ; at+8 <= len(name); at += 8 {
		binary.LittleEndian.PutUint64(out[at:], lower8(binary.LittleEndian.Uint64(name[at:])))
	}
	for ; at < len(name); at++ {
		out[at] = lower1(name[at])
	}
	return text(out)
}

// isLower reports whether a name has no capitals.
func isLower(name []byte) bool {
	last := len(name) - 8
	if last < 0 {
		return !slices.ContainsFunc(name, func(c byte) bool { return lower1(c) != c })
	}
	for at := 0; at < last; at += 8 {
		if x := binary.LittleEndian.Uint64(name[at:]); lower8(x) != x {
			return false
		}
	}
	x := binary.LittleEndian.Uint64(name[last:])
	return lower8(x) == x
}
