package packed

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"vitalns/zones"
)

const (
	headerSize   = 12
	fixedSize    = 10                    // of a record between its owner and its data
	ownerSize    = 2                     // of a pointer
	recordHead   = ownerSize + fixedSize // of a record whose owner is a pointer
	pointer      = 0xc000
	toQuestion   = pointer | headerSize
	maxPointer   = 0x3fff // offsets from there on cannot be pointed to (RFC 1035 §4.1.4)
	privateTypes = 65280  // RFC 6895 §3.1
	maxSuffixes  = 192    // names of a response that can be pointed to; full: the response is left to Respond
)

// A writer writes a message, compressed as miekg/dns does it: by the longest suffix that stands in the
// message already, spelt alike, in the owner of every record and in the data of the types of RFC 1035. So
// a response has the size that the reference gives it, and what has to be left out is the same.
type writer struct {
	buf  []byte // as long as the response may be
	n    int    // written
	over bool   // something did not fit
	lost bool   // something cannot be written here

	question []byte // name of the question, which stands at its place in buf
	listed   bool   // its suffixes are in names
	names    [maxSuffixes]suffix
	used     int
}

// A suffix is a name in the message.
type suffix struct {
	at   uint16
	size uint8 // bytes, uncompressed
}

// An owner is the name of the records being written: where it stands in the message, once it does.
type owner struct {
	name []byte // wire form, not compressed
	at   uint16 // compression pointer; 0: it is still to be written
}

func (w *writer) reset(buf, question []byte) {
	w.buf, w.n, w.over, w.lost = buf, 0, false, false
	w.question, w.listed, w.used = question, false, 0
}

// room makes n bytes of space at the end of what is written; nil where there is none.
func (w *writer) room(n int) []byte {
	if w.over || n > len(w.buf)-w.n {
		w.over = true
		return nil
	}
	b := w.buf[w.n : w.n+n : w.n+n]
	w.n += n
	return b
}

// A mark is a place in the message to come back to, behind a name in some data.
type mark struct{ n, used int }

func (w *writer) mark() mark { return mark{w.n, w.used} }

// back takes out what was written since a mark, when there was room.
func (w *writer) back(to mark) { w.n, w.used, w.over = to.n, to.used, false }

func (w *writer) bytes(b []byte) { copy(w.room(len(b)), b) }

// list takes in the suffixes of the question.
func (w *writer) list() {
	w.listed = true
	for at := 0; w.question[at] != 0; at += 1 + int(w.question[at]) {
		w.add(headerSize+at, len(w.question)-at)
	}
}

func (w *writer) add(at, size int) {
	switch {
	case at > maxPointer:
	case w.used == len(w.names):
		w.lost = true
	default:
		w.names[w.used] = suffix{uint16(at), uint8(size)}
		w.used++
	}
}

// find returns where a name stands in the message.
func (w *writer) find(name []byte) (at int, ok bool) {
	for i := range w.names[:w.used] {
		if s := w.names[i]; int(s.size) == len(name) && w.spells(int(s.at), name) {
			return int(s.at), true
		}
	}
	return 0, false
}

// spells reports whether the name that stands in the message is this one.
func (w *writer) spells(at int, name []byte) bool {
	if end := at + len(name); end <= w.n && string(w.buf[at:end]) == string(name) {
		return true // it stands there in one piece, as most do
	}
	for {
		n := int(w.buf[at])
		switch {
		case n >= pointer>>8:
			at = int(binary.BigEndian.Uint16(w.buf[at:])) &^ pointer
			continue
		case n != int(name[0]):
			return false
		case n == 0:
			return true
		case string(w.buf[at+1:at+1+n]) != string(name[1:1+n]):
			return false
		}
		at, name = at+1+n, name[1+n:]
	}
}

// name writes a name, and returns a pointer to it for the next time; 0 for the root. What is not to be
// compressed itself may still be pointed to.
func (w *writer) name(name []byte, compress bool) uint16 {
	if !w.listed {
		w.list()
	}
	start, used := w.n, w.used
	end, to := len(name)-1, 0 // what is written of it, and what its rest points to
	for at := 0; name[at] != 0; at += 1 + int(name[at]) {
		if p, ok := w.find(name[at:]); ok {
			if compress {
				end, to = at, p
				break
			}
		} else {
			w.add(start+at, len(name)-at)
		}
	}
	w.bytes(name[:end])
	if to != 0 {
		w.uint16(uint16(pointer | to))
	} else {
		w.bytes(name[end:])
	}
	switch {
	case w.over:
		w.used = used // they did not come to stand
		return 0
	case len(name) == 1:
		return 0
	case end == 0:
		return uint16(pointer | to)
	case start > maxPointer:
		return 0
	}
	return uint16(pointer | start)
}

func (w *writer) uint16(v uint16) {
	if b := w.room(2); b != nil {
		binary.BigEndian.PutUint16(b, v)
	}
}

// owner writes the owner of a record.
func (w *writer) owner(o *owner) {
	if o.at == 0 {
		o.at = w.name(o.name, true)
	} else {
		w.uint16(o.at)
	}
}

// begin writes a record up to its data, of which n bytes are known, and returns where they are to go.
func (w *writer) begin(o *owner, typ uint16, ttl uint32, n int) []byte {
	w.owner(o)
	b := w.room(fixedSize + n)
	if b == nil {
		return nil
	}
	binary.BigEndian.PutUint16(b, typ)
	binary.BigEndian.PutUint16(b[2:], dns.ClassINET)
	binary.BigEndian.PutUint32(b[4:], ttl)
	binary.BigEndian.PutUint16(b[8:], uint16(n))
	return b[fixedSize:]
}

// end completes a record whose data were begun at from and have names.
func (w *writer) end(from int) {
	if !w.over {
		binary.BigEndian.PutUint16(w.buf[from-2:], uint16(w.n-from))
	}
}

// plain writes records as they stand in the store: their data have no names that could be compressed.
func (w *writer) plain(o *owner, records []byte) {
	if o.at == toQuestion {
		w.bytes(records)
		return
	}
	for len(records) > 0 {
		_, rest := first(records)
		w.owner(o)
		w.bytes(records[ownerSize : len(records)-len(rest)])
		records = rest
	}
}

// named writes one record whose data are some bytes, a name and the rest.
func (w *writer) named(o *owner, typ uint16, ttl uint32, rdata []byte, l layout) {
	name, ok := nameIn(rdata, l.before)
	if !ok {
		w.lost = true
		return
	}
	head := w.begin(o, typ, ttl, l.before)
	from := w.n - l.before
	copy(head, rdata)
	w.name(name, l.compress)
	w.bytes(rdata[l.before+len(name):])
	w.end(from)
}

// nameIn returns the name that stands in some rdata.
func nameIn(rdata []byte, at int) (name []byte, ok bool) {
	for end := at; end < len(rdata); end += 1 + int(rdata[end]) {
		if rdata[end] == 0 {
			return rdata[at : end+1], true
		}
	}
	return nil, false
}

// A layout says where the name stands in the data of a type.
type layout struct {
	before   int
	compress bool // RFC 3597 §4: of the types of RFC 1035 alone
}

// The kinds of data, by type.
type dataKind uint8

const (
	strange dataKind = iota // left to Respond
	plain
	named
)

// kindOf returns what the data of a type have.
func kindOf(typ uint16) (dataKind, layout) {
	if typ >= privateTypes {
		return plain, layout{}
	}
	switch typ {
	case dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeCAA, dns.TypeDS, dns.TypeTLSA, dns.TypeSSHFP, dns.TypeDNSKEY,
		dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeHINFO, dns.TypeLOC, dns.TypeURI, dns.TypeSMIMEA, dns.TypeOPENPGPKEY:
		return plain, layout{}
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
		return named, layout{0, true}
	case dns.TypeMX:
		return named, layout{2, true}
	case dns.TypeSRV:
		return named, layout{6, false}
	case dns.TypeSVCB, dns.TypeHTTPS:
		return named, layout{2, false}
	}
	return strange, layout{}
}

// first splits off the data of the first of some records as they stand in the store.
func first(records []byte) (rdata, rest []byte) {
	n := recordHead + int(binary.BigEndian.Uint16(records[recordHead-2:]))
	return records[recordHead:n], records[n:]
}

// rrset writes a static RRset.
func (w *writer) rrset(o *owner, set zones.Packed) (count int) {
	typ, records := set.Type(), set.Records()
	switch kind, l := kindOf(typ); kind {
	case plain:
		w.plain(o, records)
	case named:
		for ttl := set.TTL(); len(records) > 0; {
			var one []byte
			one, records = first(records)
			w.named(o, typ, ttl, one, l)
		}
	default:
		w.lost = true
	}
	return set.Count()
}
