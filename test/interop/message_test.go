package interop

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Bits of the second word of a header (RFC 1035 §4.1.1, 4035 §3.2).
const (
	bitQR = 1 << 15
	bitAA = 1 << 10
	bitTC = 1 << 9
	bitRD = 1 << 8
	bitRA = 1 << 7
	bitZ  = 1 << 6
	bitAD = 1 << 5
	bitCD = 1 << 4

	opcodeBits = 0xf << 11
)

// A message is a query in its parts, any of which may be wrong.
type message struct {
	flags      uint16
	counts     *[4]uint16 // nil: as many as there are, one question
	question   []byte
	answer     [][]byte
	authority  [][]byte
	additional [][]byte
	tail       []byte // what follows the message
}

func (m message) wire() []byte {
	counts := m.counts
	if counts == nil {
		counts = &[4]uint16{1, uint16(len(m.answer)), uint16(len(m.authority)), uint16(len(m.additional))}
	}
	b := binary.BigEndian.AppendUint16([]byte{0, 0}, m.flags)
	for _, n := range counts {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	b = append(b, m.question...)
	for _, section := range [][][]byte{m.answer, m.authority, m.additional} {
		for _, rr := range section {
			b = append(b, rr...)
		}
	}
	return append(b, m.tail...)
}

// entry returns an entry of the question section.
func entry(qname string, qtype, class uint16) []byte {
	b := wireName(qname)
	b = binary.BigEndian.AppendUint16(b, qtype)
	return binary.BigEndian.AppendUint16(b, class)
}

// wireName returns a name in wire form, spelt as it is.
func wireName(name string) []byte {
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(dns.Fqdn(name), buf, 0, nil, false)
	if err != nil {
		panic(fmt.Sprintf("interop: name %q: %v", name, err)) // names are made by this package
	}
	return buf[:n]
}

// fits reports whether a name is one (RFC 1035 §3.1).
func fits(name string) bool {
	const longest = 255
	n, err := dns.PackDomainName(name, make([]byte, longest+1), 0, nil, false)
	return err == nil && n <= longest
}

// record returns a record in wire form.
func record(owner string, typ, class uint16, ttl uint32, rdata ...byte) []byte {
	b := entry(owner, typ, class)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	return append(b, rdata...)
}

const bitDO = 1 << 15

// opt returns an OPT record (RFC 6891 §6.1.2).
func opt(size uint16, version uint8, flags uint16, options ...byte) []byte {
	return record(".", dns.TypeOPT, size, uint32(version)<<16|uint32(flags), options...)
}

// option returns an EDNS option.
func option(code uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// randomCase spells every second letter of a name otherwise.
func randomCase(name string) string {
	b := []byte(name)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' {
			i++
		} else if i%2 == 0 {
			b[i] = strings.ToUpper(string(b[i]))[0]
		}
	}
	return string(b)
}
