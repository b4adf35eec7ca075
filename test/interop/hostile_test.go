package interop

import (
	"bytes"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// strange returns what a name server rarely sees, for some names: every header, every EDNS, and messages
// that are wrong in every place. Each is asked over UDP and over TCP.
func strange(names []string) []question {
	var all []question
	add := func(kind string, msgs ...[]byte) {
		for _, m := range msgs {
			all = append(all, question{kind, udp, m}, question{kind, alone, m})
		}
	}
	for _, name := range names {
		for _, typ := range []uint16{dns.TypeA, dns.TypeSOA} {
			q := entry(name, typ, dns.ClassINET)
			for _, v := range ednsVariants() {
				add("EDNS: "+v.kind, message{question: q, additional: v.additional}.wire())
			}
			add("sections", inSections(q)...)
		}
		add("types", metaTypes(name)...)
		add("opcodes", opcodes(name)...)
		add("names in the question", spellings(name)...)
		add("counts", counts(name)...)
	}
	add("classes", classes(names[0])...)
	for _, name := range names[:min(3, len(names))] {
		add("flags", flags(name)...)
		add("cut off", cuts(name)...)
		add("oversized", oversized(name)...)
	}
	return all
}

type ednsVariant struct {
	kind       string
	additional [][]byte
}

func ednsVariants() []ednsVariant {
	var all []ednsVariant
	add := func(kind string, rrs ...[]byte) { all = append(all, ednsVariant{kind, rrs}) }
	for _, size := range []uint16{0, 1, 511, 512, 513, 1231, 1232, 1233, 1452, 4096, 65535} {
		for _, flags := range []uint16{0, bitDO} {
			add("size", opt(size, 0, flags))
		}
	}
	for _, version := range []uint8{1, 2, 255} {
		add("version", opt(1232, version, 0))
		add("version", opt(1232, version, 0xffff))
		add("version", opt(1232, version, 0, option(65001, 1, 2)...))
		add("version", opt(512, version, bitDO, option(dns.EDNS0NSID)...))
	}
	for _, flags := range []uint16{1, 0x4000, 0x7fff, 0xffff} {
		add("flags", opt(1232, 0, flags))
	}
	for _, o := range options() {
		add("options", opt(1232, 0, 0, o...))
		add("options", opt(1232, 1, 0, o...))
	}
	good := opt(1232, 0, 0)
	rcode := slices.Clone(good)
	rcode[5] = 1 // bits of an rcode in a query
	a := record("a.", dns.TypeA, dns.ClassINET, 5, 192, 0, 2, 1)
	add("rcode bits", rcode)
	add("two OPT", good, good)
	add("two OPT", good, a, good)
	add("two OPT", opt(1232, 1, 0), good)
	add("OPT with an owner", record("a.", dns.TypeOPT, 1232, 0))
	add("OPT with an owner", record("*.", dns.TypeOPT, 1232, 0))
	add("other records", a)
	add("other records", a, good)
	add("other records", good, a)
	add("other records", record(".", 65300, 1, 0, 1, 2, 3), good)
	long := slices.Clone(good)
	long[len(long)-1] = 4
	add("OPT cut off", long)
	add("OPT cut off", opt(1232, 0, 0, 0))
	add("OPT cut off", good[:8])
	return all
}

// options returns lists of options, good and malformed.
func options() [][]byte {
	zeros := func(n int) []byte { return make([]byte, n) }
	subnet := func(family uint16, source, scope uint8, addr ...byte) []byte {
		return option(dns.EDNS0SUBNET, append([]byte{byte(family >> 8), byte(family), source, scope}, addr...)...)
	}
	all := [][]byte{
		option(65001), option(65001, 1, 2, 3), option(0), option(0, 1), option(65535, zeros(200)...),
		option(1, zeros(18)...), option(2, zeros(4)...), option(dns.EDNS0NSID), option(dns.EDNS0NSID, 1, 2),
		option(5, 8, 10), option(6, 1), option(7, 1), option(9, 0, 0, 0, 9), option(9),
		option(dns.EDNS0TCPKEEPALIVE), option(dns.EDNS0TCPKEEPALIVE, 0, 50), option(dns.EDNS0TCPKEEPALIVE, 1),
		option(dns.EDNS0PADDING), option(dns.EDNS0PADDING, zeros(100)...), option(dns.EDNS0PADDING, 1, 2, 3),
		option(13, 0), option(14, 79, 102), option(14, 79), option(dns.EDNS0EDE, 0, 1, 'x'), option(dns.EDNS0EDE), option(18, 1, 'a', 0),
		slices.Concat(option(65001, 1), option(65002), option(65001, 2)),
		slices.Concat(option(dns.EDNS0NSID), option(dns.EDNS0NSID)),
		bytes.Repeat(option(65003, 7), 100),
		{0}, {0, 3}, {0, 3, 0}, {0, 3, 0, 1}, {255, 255, 255, 255}, // cut off
		slices.Concat(option(65001, 1), []byte{0, 3, 0}),
		subnet(1, 24, 0, 192, 0, 2), subnet(1, 32, 0, 192, 0, 2, 1), subnet(1, 0, 0), subnet(2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0), subnet(0, 0, 0),
		subnet(1, 24, 0, 192, 0, 2, 1), subnet(1, 24, 0, 192, 0), subnet(1, 20, 0, 192, 0, 255), subnet(1, 33, 0, 192, 0, 2, 1, 0),
		subnet(1, 24, 24, 192, 0, 2), subnet(3, 8, 0, 1), subnet(2, 129, 0, zeros(17)...), option(dns.EDNS0SUBNET), option(dns.EDNS0SUBNET, 0, 1, 0),
	}
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 24, 40, 41} {
		all = append(all, option(dns.EDNS0COOKIE, zeros(n)...))
	}
	return all
}

// inSections returns queries with records where none belong, or few.
func inSections(q []byte) [][]byte {
	a := record("a.", dns.TypeA, dns.ClassINET, 5, 192, 0, 2, 1)
	soa := record("a.", dns.TypeSOA, dns.ClassINET, 5, slices.Concat(wireName("."), wireName("."), make([]byte, 20))...)
	tsig := record("key.", dns.TypeTSIG, dns.ClassANY, 0, slices.Concat(wireName("hmac-sha256."), make([]byte, 6), []byte{1, 44, 0, 32}, make([]byte, 32), []byte{0, 0, 0, 0, 0, 0})...)
	sig := record(".", dns.TypeSIG, dns.ClassANY, 0, slices.Concat(make([]byte, 18), wireName("key."), make([]byte, 64))...)
	edns := opt(1232, 0, 0)
	var all [][]byte
	for _, m := range []message{
		{answer: [][]byte{a}}, {authority: [][]byte{a}}, {authority: [][]byte{soa}}, {answer: [][]byte{a}, authority: [][]byte{soa}},
		{answer: [][]byte{a}, additional: [][]byte{edns}}, {authority: [][]byte{soa}, additional: [][]byte{edns}},
		{answer: [][]byte{edns}}, {authority: [][]byte{edns}}, {answer: [][]byte{edns}, additional: [][]byte{edns}},
		{additional: [][]byte{tsig}}, {additional: [][]byte{tsig, edns}}, {additional: [][]byte{edns, tsig}}, {additional: [][]byte{tsig, tsig}},
		{answer: [][]byte{tsig}}, {additional: [][]byte{sig}}, {additional: [][]byte{edns, sig}}, {additional: [][]byte{tsig[:20]}},
		{additional: [][]byte{a[:5]}}, {answer: [][]byte{a[:12]}}, {additional: [][]byte{record("a.", dns.TypeA, dns.ClassINET, 5, 1, 2)}},
		{additional: [][]byte{record("a.", dns.TypeMX, dns.ClassINET, 5, 1)}}, {additional: [][]byte{bytes.Repeat(a, 1)}, tail: a},
	} {
		m.question = q
		all = append(all, m.wire())
	}
	return all
}

func classes(name string) (all [][]byte) {
	for _, q := range []string{name, "version.bind.", "hostname.bind.", "id.server.", "version.server.", "authors.bind.", "bind.", "nx.bind.", "."} {
		for _, class := range []uint16{0, dns.ClassCSNET, dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 5, 256, 65535} {
			for _, typ := range []uint16{dns.TypeA, dns.TypeTXT, dns.TypeSOA, dns.TypeANY} {
				all = append(all, message{question: entry(q, typ, class)}.wire())
			}
		}
	}
	return all
}

// metaTypes returns questions for types that no name has.
func metaTypes(name string) (all [][]byte) {
	for _, typ := range []uint16{0, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeNXNAME, 127, 250, 65535} {
		for _, class := range []uint16{dns.ClassINET, dns.ClassCHAOS, dns.ClassANY} {
			for _, q := range []string{name, "nx." + strings.TrimPrefix(name, ".")} {
				if fits(q) {
					all = append(all, message{question: entry(q, typ, class)}.wire(), message{question: entry(q, typ, class), additional: [][]byte{opt(1232, 0, 0)}}.wire())
				}
			}
		}
	}
	return all
}

func opcodes(name string) (all [][]byte) {
	q := entry(name, dns.TypeSOA, dns.ClassINET)
	for op := range uint16(16) {
		all = append(all,
			message{flags: op << 11, question: q}.wire(),
			message{flags: op<<11 | bitRD | bitAA | bitCD, question: q, additional: [][]byte{opt(1232, 0, 0)}}.wire(),
			message{flags: op << 11, question: q, additional: [][]byte{opt(1232, 1, 0)}}.wire(),
			message{flags: op << 11, counts: &[4]uint16{}}.wire(),
			message{flags: op<<11 | bitQR, question: q}.wire(),
		)
	}
	for rcode := range uint16(16) {
		all = append(all, message{flags: rcode, question: q}.wire())
	}
	return all
}

// flags returns every set of bits a query may have, and some of responses, without and with EDNS.
func flags(name string) (all [][]byte) {
	bits := []uint16{bitAA, bitTC, bitRD, bitRA, bitZ, bitAD, bitCD}
	for set := range 1 << len(bits) {
		var f uint16
		if set%16 == 5 {
			f = bitQR // a response: each costs the wait until silence is certain
		}
		for i, bit := range bits {
			if set>>i&1 == 1 {
				f |= bit
			}
		}
		q := entry(name, dns.TypeA, dns.ClassINET)
		all = append(all, message{flags: f, question: q}.wire(), message{flags: f, question: q, additional: [][]byte{opt(1232, 0, bitDO)}}.wire())
	}
	return all
}

// spellings returns questions whose name is written in ways it may not be, or may just be.
func spellings(name string) (all [][]byte) {
	in := []byte{0, byte(dns.TypeA), 0, byte(dns.ClassINET)}
	label := func(n int) []byte { return append([]byte{byte(n)}, bytes.Repeat([]byte{'a'}, n)...) }
	wire := wireName(name)
	full := slices.Concat(label(63), label(63), label(63))
	for _, qname := range [][]byte{
		{0xc0, 0}, {0xc0, 4}, {0xc0, 11}, {0xc0, headerSize}, {0xc0, headerSize + 2}, {0xc0, 200}, {0xff, 0xff},
		{1, 'a', 0xc0, headerSize}, {1, 'a', 0xc0, 0}, {1, 'a', 0xc0, headerSize + 1}, {0x40, 'a', 0}, {0x41, 1, 0x80, 0}, {0x80, 0}, {0xbf, 1, 0},
		slices.Concat(wire[:len(wire)-1], []byte{0xc0, headerSize}), slices.Concat(wire[:len(wire)-1], []byte{0xc0, 2}), // octet 2 is 0 when no flag is set
		slices.Concat(full, label(61), []byte{0}), slices.Concat(full, label(62), []byte{0}), slices.Concat(full, label(63), label(63), []byte{0}),
		append(bytes.Repeat([]byte{1, 'a'}, 127), 0), append(bytes.Repeat([]byte{1, 'a'}, 128), 0), append(bytes.Repeat([]byte{1, 'a'}, 400), 0),
		slices.Concat([]byte{3, 0, 255, '.'}, wire), slices.Concat([]byte{1, 0}, wire),
	} {
		for _, additional := range [][][]byte{nil, {opt(1232, 0, 0)}} {
			all = append(all, message{question: slices.Concat(qname, in), additional: additional}.wire())
		}
	}
	return all
}

// counts returns messages whose header and sections do not go together, and other numbers of questions
// than one.
func counts(name string) (all [][]byte) {
	q := entry(name, dns.TypeA, dns.ClassINET)
	other := entry("nx.", dns.TypeA, dns.ClassINET)
	pointer := []byte{0xc0, headerSize, 0, byte(dns.TypeTXT), 0, byte(dns.ClassINET)}
	edns := [][]byte{opt(1232, 0, 0)}
	for _, additional := range [][][]byte{nil, edns, {opt(1232, 0, 0, option(dns.EDNS0COOKIE, 1, 2, 3, 4, 5, 6, 7, 8)...)}} {
		n := uint16(len(additional))
		for _, m := range []message{
			{counts: &[4]uint16{0, 0, 0, n}}, {counts: &[4]uint16{0, 0, 0, n}, question: q}, {counts: &[4]uint16{1, 0, 0, n}},
			{counts: &[4]uint16{2, 0, 0, n}, question: slices.Concat(q, q)}, {counts: &[4]uint16{2, 0, 0, n}, question: slices.Concat(q, other)},
			{counts: &[4]uint16{2, 0, 0, n}, question: slices.Concat(q, pointer)}, {counts: &[4]uint16{2, 0, 0, n}, question: q},
			{counts: &[4]uint16{3, 0, 0, n}, question: slices.Concat(q, q, q)}, {counts: &[4]uint16{65535, 0, 0, n}, question: q},
			{counts: &[4]uint16{1, 0, 0, n}, question: slices.Concat(q, other)},
			{counts: &[4]uint16{1, 1, 0, n}, question: q}, {counts: &[4]uint16{1, 0, 1, n}, question: q}, {counts: &[4]uint16{1, 0, 0, n + 1}, question: q},
			{counts: &[4]uint16{1, 65535, 65535, 65535}, question: q}, {counts: &[4]uint16{0, 1, 0, n}}, {counts: &[4]uint16{0, 0, 1, n}},
		} {
			m.additional = additional
			all = append(all, m.wire())
		}
		for _, tail := range []int{1, 2, 4, 11, 12, 100, 400} {
			all = append(all,
				message{question: q, additional: additional, tail: make([]byte, tail)}.wire(),
				message{question: q, additional: additional, tail: bytes.Repeat([]byte{255}, tail)}.wire())
		}
	}
	return all
}

// cuts returns good messages cut off after every octet.
func cuts(name string) (all [][]byte) {
	for _, m := range []message{
		{flags: bitRD, question: entry(name, dns.TypeA, dns.ClassINET)},
		{question: entry(name, dns.TypeA, dns.ClassINET), additional: [][]byte{opt(1232, 0, bitDO, slices.Concat(option(dns.EDNS0NSID), option(65001, 1, 2, 3))...)}},
		{question: entry(strings.Repeat("label.", 20)+strings.TrimPrefix(name, "."), dns.TypeMX, dns.ClassINET)},
	} {
		wire := m.wire()
		for n := range wire {
			all = append(all, wire[:n])
		}
	}
	return all
}

// oversized returns messages longer than any query.
func oversized(name string) (all [][]byte) {
	q := entry(name, dns.TypeA, dns.ClassINET)
	for _, size := range []int{500, 1232, 1400, 4000, 4090, 4097, 20000, 60000} {
		all = append(all,
			message{question: q, additional: [][]byte{opt(1232, 0, 0, option(dns.EDNS0PADDING, make([]byte, size)...)...)}}.wire(),
			message{question: q, tail: make([]byte, size)}.wire())
		m := message{question: q}
		for range size / 17 {
			m.additional = append(m.additional, record("a.", dns.TypeA, dns.ClassINET, 5, 192, 0, 2, 1))
		}
		all = append(all, m.wire())
	}
	return all
}
