package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A reply is what counts of a response. Two replies are the same if they are equal.
//
// It is normal in that: records of a section and options of an OPT are sorted; names of records are in
// lower case and without compression; the question is octet for octet what came; of an OPT there is the
// version, the flags, the size and which options it has; of a TSIG all but the id of the query; extended errors (RFC 8914 §3: they change no
// processing) are left out. A response with TC has no sections: a client is to ignore them (RFC 2181 §9).
type reply struct {
	silent     bool
	broken     string // why it is no well-formed message
	flags      uint16 // of the header, without the rcode
	rcode      int    // with the bits that are in the OPT
	question   string
	answer     string
	authority  string
	additional string
	opt        string
	disordered bool // in the answer something stands before the alias that leads to it
}

const headerSize = 12

// read returns the reply of a response in wire form; nil is silence.
func read(msg []byte) reply {
	if msg == nil {
		return reply{silent: true}
	}
	r, err := parse(msg)
	if err != nil {
		return reply{broken: err.Error()}
	}
	return r
}

func parse(msg []byte) (r reply, err error) {
	if len(msg) < headerSize {
		return r, errors.New("shorter than a header")
	}
	bits := binary.BigEndian.Uint16(msg[2:])
	r.flags, r.rcode = bits&^0xf, int(bits&0xf)
	var counts [4]int
	for i := range counts {
		counts[i] = int(binary.BigEndian.Uint16(msg[4+2*i:]))
	}
	at := headerSize
	for range counts[0] {
		start := at
		if _, at, err = expandName(msg, at); err != nil || at+4 > len(msg) {
			return r, errors.Join(errors.New("the question is cut off"), err)
		}
		at += 4
		r.question += string(msg[start:at])
	}
	for i, section := range []*string{&r.answer, &r.authority, &r.additional} {
		var records []string
		for range counts[1+i] {
			var rr rawRecord
			if rr, at, err = readRecord(msg, at); err != nil {
				return r, err
			}
			if rr.typ == dns.TypeOPT {
				r.rcode |= int(rr.ttl>>24) << 4
				r.opt += rr.opt()
				continue
			}
			records = append(records, rr.normal)
		}
		if section == &r.answer && r.flags&bitTC == 0 {
			r.disordered = disordered(r.question, records)
		}
		slices.Sort(records)
		*section = strings.Join(records, "")
	}
	if at != len(msg) {
		return r, fmt.Errorf("%d octets follow the message", len(msg)-at)
	}
	if r.flags&bitTC != 0 {
		r.answer, r.authority, r.additional = "", "", ""
	}
	return r, nil
}

// A rawRecord is a record of a response.
type rawRecord struct {
	typ, class uint16
	ttl        uint32
	rdata      []byte
	normal     string // in wire form, names without compression and in lower case
}

// opt prints an OPT record: version, flags, size, options.
func (rr rawRecord) opt() string {
	var codes []string
	for rest := rr.rdata; len(rest) >= 4; {
		code, n := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if code != dns.EDNS0EDE {
			codes = append(codes, fmt.Sprint(code))
		}
		rest = rest[min(4+n, len(rest)):]
	}
	slices.Sort(codes)
	return fmt.Sprintf("version %d flags %04x size %d options [%s]", rr.ttl>>16&0xff, rr.ttl&0xffff, rr.class, strings.Join(codes, " "))
}

func readRecord(msg []byte, at int) (rr rawRecord, end int, err error) {
	owner, at, err := expandName(msg, at)
	if err != nil {
		return rr, 0, err
	}
	const fixed = 10
	if at+fixed > len(msg) {
		return rr, 0, errors.New("a record is cut off")
	}
	rr.typ, rr.class = binary.BigEndian.Uint16(msg[at:]), binary.BigEndian.Uint16(msg[at+2:])
	rr.ttl = binary.BigEndian.Uint32(msg[at+4:])
	size := int(binary.BigEndian.Uint16(msg[at+8:]))
	end = at + fixed + size
	if end > len(msg) {
		return rr, 0, errors.New("rdata is cut off")
	}
	rr.rdata = msg[at+fixed : end]
	rdata, err := expandRdata(rr.typ, msg[:end], at+fixed)
	if err != nil {
		return rr, 0, fmt.Errorf("rdata of %s: %w", dns.Type(rr.typ), err)
	}
	if rr.typ == dns.TypeTSIG {
		hideID(rdata)
	}
	normal := append(owner, msg[at:at+8]...)
	normal = binary.BigEndian.AppendUint16(normal, uint16(len(rdata)))
	rr.normal = string(append(normal, rdata...))
	return rr, end, nil
}

// hideID takes the id of the query out of a TSIG record (RFC 8945 §4.2): every server was asked with another.
func hideID(rdata []byte) {
	const macSize = 8 // behind the name of the algorithm: after time and fudge
	_, at, err := expandName(rdata, 0)
	if err != nil || at+macSize+2 > len(rdata) {
		return
	}
	if at += macSize + 2 + int(binary.BigEndian.Uint16(rdata[at+macSize:])); at+2 <= len(rdata) {
		clear(rdata[at : at+2])
	}
}

// namesIn says where rdata has names: a digit is so many octets, s is a string, n is a name, N is a name
// that must not be compressed (RFC 3597 §4); what follows is taken as it is.
var namesIn = map[uint16]string{
	dns.TypeNS: "n", dns.TypeCNAME: "n", dns.TypePTR: "n", dns.TypeMB: "n", dns.TypeMG: "n", dns.TypeMR: "n",
	dns.TypeMD: "n", dns.TypeMF: "n", dns.TypeSOA: "nn", dns.TypeMINFO: "nn", dns.TypeMX: "2n",
	dns.TypeDNAME: "N", dns.TypeAFSDB: "2N", dns.TypeRT: "2N", dns.TypeKX: "2N", dns.TypeRP: "NN",
	dns.TypePX: "2NN", dns.TypeSRV: "6N", dns.TypeNAPTR: "4sssN", dns.TypeSVCB: "2N", dns.TypeHTTPS: "2N",
	dns.TypeNSAPPTR: "N", dns.TypeTALINK: "NN",
}

// expandRdata returns the rdata that ends with msg, with its names in full and in lower case.
func expandRdata(typ uint16, msg []byte, at int) ([]byte, error) {
	var out []byte
	for _, field := range namesIn[typ] {
		switch {
		case field >= '0' && field <= '9':
			n := int(field - '0')
			if at+n > len(msg) {
				return nil, errors.New("it is cut off")
			}
			out, at = append(out, msg[at:at+n]...), at+n
		case field == 's':
			if at >= len(msg) || at+1+int(msg[at]) > len(msg) {
				return nil, errors.New("a string is cut off")
			}
			n := 1 + int(msg[at])
			out, at = append(out, msg[at:at+n]...), at+n
		default:
			name, end, err := expandName(msg, at)
			if err != nil {
				return nil, err
			}
			if field == 'N' && end-at != len(name) {
				return nil, errors.New("a name in it is compressed")
			}
			out, at = append(out, name...), end
		}
	}
	if at > len(msg) {
		return nil, errors.New("a name leaves it")
	}
	return append(out, msg[at:]...), nil
}

// expandName reads a name, which may be compressed; a pointer leads back (RFC 1035 §4.1.4).
func expandName(msg []byte, at int) (name []byte, end int, err error) {
	const longest = 255
	limit := at
	for {
		if at >= len(msg) {
			return nil, 0, errors.New("a name is cut off")
		}
		n := int(msg[at])
		switch {
		case n >= 0xc0 && at+1 < len(msg):
			to := n&0x3f<<8 | int(msg[at+1])
			if to >= limit {
				return nil, 0, errors.New("a pointer leads forward")
			}
			if end == 0 {
				end = at + 2
			}
			at, limit = to, to
		case n > 63 || at+1+n > len(msg):
			return nil, 0, errors.New("a label is none")
		default:
			name = append(name, byte(n))
			name = appendLower(name, msg[at+1:at+1+n])
			at += 1 + n
			if len(name) > longest {
				return nil, 0, errors.New("a name is too long")
			}
			if n == 0 {
				return name, max(end, at), nil
			}
		}
	}
}

// disordered reports whether a record of an answer is not of the name that the question and the aliases
// before it have led to (RFC 1034 §4.3.2: each step adds to the answer). A record is in wire form, a name in
// lower case.
func disordered(question string, records []string) bool {
	at, _, err := expandName([]byte(question), 0)
	if err != nil {
		return false
	}
	for _, rr := range records {
		owner, end, err := expandName([]byte(rr), 0)
		if err != nil {
			return true
		}
		switch typ := binary.BigEndian.Uint16([]byte(rr[end:])); {
		case typ == dns.TypeDNAME && bytes.HasSuffix(at, owner): // its CNAME follows
		case !bytes.Equal(owner, at):
			return true
		case typ == dns.TypeCNAME:
			at = []byte(rr[end+10:])
		}
	}
	return false
}

// recordsOf yields the records of a section, each in wire form.
func recordsOf(section string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := 0; at < len(section); {
			_, end, err := dns.UnpackRR([]byte(section), at)
			if err != nil {
				end = len(section) // nothing to tell it by but itself
			}
			if !yield(section[at:end]) {
				return
			}
			at = end
		}
	}
}

// appendLower appends a label with the letters of ASCII in lower case: no other octets are equal (RFC 4343 §3).
func appendLower(name, label []byte) []byte {
	for _, c := range label {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		name = append(name, c)
	}
	return name
}

// String prints a reply for people.
func (r reply) String() string {
	switch {
	case r.silent:
		return "  silence\n"
	case r.broken != "":
		return "  broken: " + r.broken + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %s, opcode %d", dns.RcodeToString[r.rcode], r.flags>>11&0xf)
	for _, f := range []struct {
		bit  uint16
		name string
	}{{bitQR, "QR"}, {bitAA, "AA"}, {bitTC, "TC"}, {bitRD, "RD"}, {bitRA, "RA"}, {bitZ, "Z"}, {bitAD, "AD"}, {bitCD, "CD"}} {
		if r.flags&f.bit != 0 {
			b.WriteString(" " + f.name)
		}
	}
	fmt.Fprintf(&b, "\n  question   %s\n", printQuestion(r.question))
	for _, section := range []struct{ name, rrs string }{{"answer", r.answer}, {"authority", r.authority}, {"additional", r.additional}} {
		for at := 0; at < len(section.rrs); {
			rr, next, err := dns.UnpackRR([]byte(section.rrs), at)
			if err != nil {
				fmt.Fprintf(&b, "  %-10s %x\n", section.name, section.rrs[at:])
				break
			}
			fmt.Fprintf(&b, "  %-10s %s\n", section.name, strings.ReplaceAll(rr.String(), "\t", " "))
			at = next
		}
	}
	if r.opt != "" {
		fmt.Fprintf(&b, "  OPT        %s\n", r.opt)
	}
	return b.String()
}

func printQuestion(q string) string {
	name, end, err := dns.UnpackDomainName([]byte(q), 0)
	if err != nil || len(q) != end+4 {
		return fmt.Sprintf("%x", q)
	}
	return fmt.Sprintf("%s %s %s", name, dns.Class(binary.BigEndian.Uint16([]byte(q[end+2:]))), dns.Type(binary.BigEndian.Uint16([]byte(q[end:]))))
}
