package edge

import (
	"encoding/binary"
	"net/netip"
)

// A Query is a query message, read and not copied: it is good as long as the wire it was read from. Of
// what a client may say it has what an authoritative server acts on: AD and CD are for resolvers
// (RFC 4035 §3.1.6), AA, TC, RA, Z, the response code and unknown EDNS flags and options mean nothing in
// a query.
type Query struct {
	Wire   []byte // the whole message
	ID     uint16
	Opcode uint8
	RD     bool

	// Name is the question's name in wire form, as the client spelt it, never compressed: it stands at
	// Wire[12:], with type and class behind it. Nil: there is no question, none that can be read, or
	// one of another opcode, which nobody here understands.
	Name  []byte
	Type  uint16
	Class uint16

	EDNS    bool   // there is an OPT record (RFC 6891); the rest is zero without
	Version uint8  // options of another version than 0 are not read
	Size    uint16 // what the client can take over UDP
	DO      bool

	NSID      bool   // RFC 5001
	Keepalive bool   // RFC 7828
	Padding   bool   // RFC 7830
	Cookie    []byte // RFC 7873: the client's 8 bytes, then those it has of a server; nil: none
	Subnet    Subnet // RFC 7871

	TSIG int // where in Wire the TSIG record stands (RFC 8945); 0: none
}

// A Subnet is the client subnet of a query. Family 0 asks that no subnet be used, the client's own
// address included; its Prefix is the zero one.
type Subnet struct {
	Present bool
	Family  uint16 // 1 IPv4, 2 IPv6
	Prefix  netip.Prefix
}

// A Verdict says what is to become of a message. The zero verdict drops it.
type Verdict uint8

const (
	Short     Verdict = iota // dropped: no header to answer to
	Response                 // dropped: answering it could go on for ever
	Malformed                // answered with FORMERR
	OK
)

const (
	headerSize  = 12
	questionEnd = 4  // type and class
	recordFixed = 10 // type, class, TTL, length of the data
	maxName     = 255
	maxLabel    = 63

	opcodeNotify = 4
	opcodeUpdate = 5

	typeSIG  = 24
	typeOPT  = 41
	typeTSIG = 250
	typeIXFR = 251
	classANY = 255
)

// The sections behind the question, by the place of their counts.
const (
	answer = iota
	authority
	additional
	sections
)

// Read reads a message into q. Malformed leaves in q what can be answered: the header, the question
// where that can be read, and EDNS where the fault is none of the frame but in what was said.
//
// Every record is walked, to the end of its data: counts that lie, names that point anywhere but back,
// two OPT records, one that is not at the root or outside of the additional section, options cut short,
// a signature that is not last and data that does not fit its type are malformed. So is more than one
// question (RFC 9619), with the header alone to answer. What follows the last record is ignored.
// A message of another opcode than QUERY is OK whatever it holds, since only its opcode tells what it
// means, but for NOTIFY and UPDATE, which have one question (RFC 9619 §4); its EDNS is read if it has the
// shape of a query.
func Read(wire []byte, q *Query) Verdict {
	*q = Query{}
	if len(wire) < headerSize {
		return Short
	}
	if wire[2]&0x80 != 0 {
		return Response
	}
	q.Wire, q.ID = wire, binary.BigEndian.Uint16(wire)
	q.Opcode, q.RD = wire[2]>>3&15, wire[2]&1 != 0
	at, framed := q.readQuestion()
	if framed && q.Opcode == 0 && q.readUsual(at) {
		return OK
	}
	var options []byte
	if framed {
		options, framed = q.readRecords(at)
	}
	if !framed {
		q.EDNS, q.Version, q.Size, q.DO, q.TSIG = false, 0, 0, false, 0
	}
	if q.Opcode != 0 {
		q.Name = nil
		if (q.Opcode == opcodeNotify || q.Opcode == opcodeUpdate) && binary.BigEndian.Uint16(wire[4:]) != 1 {
			return Malformed
		}
		return OK
	}
	if !framed || q.count(answer) > 0 {
		return Malformed
	}
	if q.count(authority) > 0 && q.Type != typeIXFR { // RFC 1995 §3
		return Malformed
	}
	if q.EDNS && q.Version == 0 && !q.readOptions(options) {
		return Malformed
	}
	return OK
}

// count is how many records the header says a section has.
func (q *Query) count(section int) int { return int(binary.BigEndian.Uint16(q.Wire[6+2*section:])) }

// readQuestion reads the question, if there is one, and returns where it ends.
func (q *Query) readQuestion() (end int, ok bool) {
	switch binary.BigEndian.Uint16(q.Wire[4:]) {
	case 0:
		return headerSize, true
	case 1:
	default:
		return 0, false
	}
	at := headerSize
	for at < len(q.Wire) {
		n := int(q.Wire[at])
		if at += 1 + n; n > maxLabel || at-headerSize > maxName {
			return 0, false // a first name has nothing to point to
		}
		if n == 0 {
			break
		}
	}
	if at+questionEnd > len(q.Wire) {
		return 0, false
	}
	q.Name = q.Wire[headerSize:at:at]
	q.Type, q.Class = binary.BigEndian.Uint16(q.Wire[at:]), binary.BigEndian.Uint16(q.Wire[at+2:])
	return at + questionEnd, true
}

// readUsual reads what follows the question where that is the most frequent by far: nothing, or one OPT record
// of version 0 that has no option but a cookie. False: it is something else, and nothing has been read.
func (q *Query) readUsual(at int) bool {
	const one = 1 << 16 // record, of the additional section alone
	records := binary.BigEndian.Uint64(q.Wire[4:]) << 16
	b := q.Wire[at:]
	if records != one || len(b) < 1+recordFixed || b[0] != 0 || binary.BigEndian.Uint16(b[1:]) != typeOPT || b[6] != 0 {
		return records == 0
	}
	n := int(binary.BigEndian.Uint16(b[9:]))
	options := b[1+recordFixed:]
	if n > 0 {
		if n < optionFixed || n > len(options) || binary.BigEndian.Uint32(options) != optionCookie<<16|uint32(n-optionFixed) || !cookieFits(options[optionFixed:n]) {
			return false
		}
		q.Cookie = options[optionFixed:n:n]
	}
	q.EDNS, q.Size, q.DO = true, binary.BigEndian.Uint16(b[3:]), b[7]&0x80 != 0
	return true
}

// readRecords walks the records behind the question and returns the options of the OPT record.
func (q *Query) readRecords(at int) (options []byte, ok bool) {
	signed := false // the last record was a signature
	for section := range sections {
		for range q.count(section) {
			end, root, ok := skipName(q.Wire, at)
			if !ok || end+recordFixed > len(q.Wire) || signed {
				return nil, false
			}
			fixed := q.Wire[end : end+recordFixed]
			typ, class := binary.BigEndian.Uint16(fixed), binary.BigEndian.Uint16(fixed[2:])
			from := end + recordFixed
			to := from + int(binary.BigEndian.Uint16(fixed[8:]))
			if to > len(q.Wire) {
				return nil, false
			}
			switch typ {
			case typeOPT:
				if section != additional || !root || q.EDNS {
					return nil, false // RFC 6891 §6.1.1
				}
				q.EDNS, q.Size, q.Version, q.DO = true, class, fixed[5], fixed[6]&0x80 != 0
				options = q.Wire[from:to:to]
				ok = q.Version != 0 || optionsFit(options)
			case typeTSIG:
				q.TSIG, signed = at, true
				ok = section == additional && class == classANY && tsigFits(q.Wire, from, to) // RFC 8945 §5.1
			default:
				signed = typ == typeSIG && to-from > 2 && q.Wire[from] == 0 && q.Wire[from+1] == 0 // SIG(0), RFC 2931 §3.1
				ok = dataFits(q.Wire, typ, from, to)
			}
			if !ok {
				return nil, false
			}
			at = to
		}
	}
	return options, true
}
