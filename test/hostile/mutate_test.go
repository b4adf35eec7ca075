package hostile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// A mutator makes messages that no client means, from such as clients do send. Equal seeds make equal
// messages.
type mutator struct {
	*rand.Rand
	seed  uint64
	seeds [][]byte
}

// another makes a mutator of the same seed that goes its own way.
func (m *mutator) another(way int) *mutator {
	return &mutator{rand.New(rand.NewPCG(m.seed, uint64(way))), m.seed, m.seeds}
}

// mutations are what may happen to a message. Each returns the message, and may write to it.
var mutations = []func(m *mutator, msg []byte) []byte{
	(*mutator).flipBits, (*mutator).flipBits, (*mutator).oddBytes, (*mutator).cut, (*mutator).cut, (*mutator).grow,
	(*mutator).splice, (*mutator).counts, (*mutator).pointer, (*mutator).lengths, (*mutator).optLies, (*mutator).options,
	(*mutator).header, (*mutator).noise, (*mutator).deepName, (*mutator).records,
}

const headerSize = 12

// next makes one message: of a query, one to three mutations.
func (m *mutator) next() []byte {
	msg := slices.Clone(m.seeds[m.IntN(len(m.seeds))])
	binary.BigEndian.PutUint16(msg, uint16(m.Uint32()))
	for range 1 + m.IntN(3) {
		msg = mutations[m.IntN(len(mutations))](m, msg)
	}
	const most = 9000 // more than the node reads
	return msg[:min(len(msg), most)]
}

// place returns somewhere to write in a message, at or behind a place; false if there is nothing.
func (m *mutator) place(msg []byte, from int) (int, bool) {
	if len(msg) <= from {
		return 0, false
	}
	return from + m.IntN(len(msg)-from), true
}

func (m *mutator) flipBits(msg []byte) []byte {
	for range 1 + m.IntN(8) {
		if at, ok := m.place(msg, 0); ok {
			msg[at] ^= 1 << m.IntN(8)
		}
	}
	return msg
}

// oddBytes writes bytes that mean something in a name or a length.
func (m *mutator) oddBytes(msg []byte) []byte {
	odd := []byte{0, 1, 0x29, 0x3f, 0x40, 0x80, 0xc0, 0xff}
	for range 1 + m.IntN(4) {
		if at, ok := m.place(msg, 2); ok {
			msg[at] = odd[m.IntN(len(odd))]
		}
	}
	return msg
}

func (m *mutator) cut(msg []byte) []byte { return msg[:m.IntN(len(msg)+1)] }

// grow appends what nothing in the message announces.
func (m *mutator) grow(msg []byte) []byte {
	most := 40
	if m.IntN(20) == 0 {
		most = 9000
	}
	return append(msg, m.bytes(m.IntN(most))...)
}

// splice goes on with the end of another query.
func (m *mutator) splice(msg []byte) []byte {
	other := m.seeds[m.IntN(len(m.seeds))]
	return append(m.cut(msg), other[m.IntN(len(other)):]...)
}

// counts lies about how many questions or records there are.
func (m *mutator) counts(msg []byte) []byte {
	if len(msg) < headerSize {
		return msg
	}
	lies := []uint16{0, 1, 2, 3, 255, 4096, 32768, 65535, uint16(m.Uint32())}
	for range 1 + m.IntN(3) {
		binary.BigEndian.PutUint16(msg[4+2*m.IntN(4):], lies[m.IntN(len(lies))])
	}
	return msg
}

// pointer writes a compression pointer: to itself, forward, backward, into the header, into a loop of two.
func (m *mutator) pointer(msg []byte) []byte {
	at, ok := m.place(msg, headerSize)
	if !ok || at+4 > len(msg) {
		return msg
	}
	to := []int{at, at + 2, headerSize, 0, len(msg), m.IntN(1 << 14)}[m.IntN(6)]
	binary.BigEndian.PutUint16(msg[at:], 0xc000|uint16(to&0x3fff))
	binary.BigEndian.PutUint16(msg[at+2:], 0xc000|uint16(at&0x3fff))
	return msg
}

// lengths lies about the length of a label of the question.
func (m *mutator) lengths(msg []byte) []byte {
	at := headerSize
	for range m.IntN(4) {
		if at < len(msg) {
			at += 1 + int(msg[at])
		}
	}
	if at < len(msg) {
		msg[at] = byte(m.Uint32())
	}
	return msg
}

// opt returns where the OPT record of a query has its class, right behind its type; -1: there is none.
func opt(msg []byte) int {
	at := bytes.LastIndex(msg, []byte{0, 0, byte(dns.TypeOPT)})
	if at < headerSize || at+11 > len(msg) {
		return -1
	}
	return at + 3
}

// optLies writes into the fixed part of an OPT record: size, extended rcode, version, flags, length.
func (m *mutator) optLies(msg []byte) []byte {
	if at := opt(msg); at >= 0 {
		binary.BigEndian.PutUint16(msg[at+2*m.IntN(4):], uint16(m.Uint32()>>m.IntN(17)))
	}
	return msg
}

// options replaces those of the OPT record, or adds one, by some whose lengths and data do not fit; the
// length of the record may tell the truth.
func (m *mutator) options(msg []byte) []byte {
	at := opt(msg)
	if at < 0 {
		return msg
	}
	codes := []uint16{dns.EDNS0NSID, dns.EDNS0SUBNET, dns.EDNS0SUBNET, dns.EDNS0COOKIE, dns.EDNS0COOKIE, dns.EDNS0EXPIRE,
		dns.EDNS0TCPKEEPALIVE, dns.EDNS0PADDING, dns.EDNS0EDE, uint16(m.Uint32())}
	var data []byte
	for range 1 + m.IntN(3) {
		size := m.IntN(45)
		told := size
		if m.IntN(3) == 0 {
			told = int(m.Uint32()>>m.IntN(17)) & 0xffff
		}
		data = binary.BigEndian.AppendUint16(data, codes[m.IntN(len(codes))])
		data = binary.BigEndian.AppendUint16(data, uint16(told))
		data = append(data, m.bytes(size)...)
	}
	if m.IntN(4) > 0 {
		binary.BigEndian.PutUint16(msg[at+6:], uint16(len(data)))
	}
	return append(msg[:at+8:at+8], data...)
}

// header writes random flags, opcode and rcode; QR stays mostly clear, or all would be dropped at once.
func (m *mutator) header(msg []byte) []byte {
	if len(msg) >= 4 {
		binary.BigEndian.PutUint16(msg[2:], uint16(m.Uint32()))
		if m.IntN(8) > 0 {
			msg[2] &^= 0x80
		}
	}
	return msg
}

// noise forgets the query.
func (m *mutator) noise([]byte) []byte { return m.bytes(m.IntN(600)) }

// deepName asks for a name of many labels, too long or not.
func (m *mutator) deepName(msg []byte) []byte {
	start := make([]byte, headerSize)
	copy(start[:4], msg)
	start[5] = 1 // one question
	msg = start
	size := 1 + m.IntN(63)
	for range m.IntN(300/(size+1) + 2) {
		msg = append(append(msg, byte(size)), m.bytes(size)...)
	}
	return append(msg, 0, 0, byte(m.Uint32()), 0, 1)
}

// records adds records to a query, counted in a section where they do not belong.
func (m *mutator) records(msg []byte) []byte {
	if len(msg) < headerSize {
		return msg
	}
	section := 6 + 2*m.IntN(3)
	for range 1 + m.IntN(20) {
		binary.BigEndian.PutUint16(msg[section:], binary.BigEndian.Uint16(msg[section:])+1)
		size := m.IntN(20)
		msg = append(msg, 0xc0, headerSize, 0, byte(m.Uint32()), 0, 1, 0, 0, 0, 1, 0, byte(size))
		msg = append(msg, m.bytes(size)...)
	}
	return msg
}

func (m *mutator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

// queries are valid queries of many kinds: what mutators start from.
func queries(t *testing.T) [][]byte {
	var all [][]byte
	add := func(m *dns.Msg) {
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, wire)
	}
	for i, name := range names(t) {
		for j, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeSOA, dns.TypeANY} {
			m := new(dns.Msg).SetQuestion(name, qtype)
			if (i+j)%3 > 0 {
				m.SetEdns0([]uint16{512, 1232, 4096, 65535}[(i+j)%4], j%2 == 0)
				m.IsEdns0().Option = options[(i+j)%len(options)]
			}
			add(m)
		}
	}
	add(new(dns.Msg).SetNotify("hard.test."))
	add(new(dns.Msg).SetUpdate("hard.test."))
	add(new(dns.Msg).SetAxfr("hard.test."))
	add(new(dns.Msg).SetIxfr("hard.test.", 1, "ns1.hard.test.", "admin.hard.test."))
	for _, name := range []string{"version.bind.", "id.server.", "www.pool.test."} {
		m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
		m.Question[0].Qclass = dns.ClassCHAOS
		add(m)
	}
	signed := new(dns.Msg).SetQuestion("hard.test.", dns.TypeSOA).SetTsig("key.", dns.HmacSHA256, 300, 1e9)
	signed.Extra[0].(*dns.TSIG).MAC, signed.Extra[0].(*dns.TSIG).MACSize = "0102030405060708", 8
	add(signed)
	return all
}

// options are sets of EDNS options that clients send.
var options = [][]dns.EDNS0{
	nil,
	{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}},
	{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}},
	{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "010203040506070801000000650000000102030405060708"}},
	{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{198, 51, 100, 0}}},
	{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 2, SourceNetmask: 48, Address: []byte{0x20, 1, 0xd, 0xb8, 15: 0}}},
	{&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}, &dns.EDNS0_PADDING{Padding: make([]byte, 100)}},
	{&dns.EDNS0_EXPIRE{Code: dns.EDNS0EXPIRE, Empty: true}, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("unknown")}},
}
