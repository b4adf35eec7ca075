package edge_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vitalns/dnsserver/edge"
)

// The pieces that the messages of these tests are made of, in hexadecimal.
const (
	qname    = "044d61696c04686172640474657374" + "00" // Mail.hard.test.
	question = qname + "0001" + "0001"
	opt      = "00002904d0000000000000"                                   // nothing said
	tsig     = "016b00" + "00fa00ff00000000" + "001a" + tsigData          // by the key k.
	tsigData = "08686d61632d6d643500" + "000065000000012c" + "00000000" + // HMAC-MD5, no MAC
		"00000000"
	address = "c00c" + "0001000100000000" + "0004c0000201"
)

// header is a header with flags and four counts.
func header(flags string, counts ...int) string {
	s := "1267" + flags
	for _, n := range counts {
		s += fmt.Sprintf("%04x", n)
	}
	return s
}

// withOptions is a query whose OPT record has these options.
func withOptions(options string) string {
	return header("0000", 1, 0, 0, 1) + question + fmt.Sprintf("00002904d000000000%04x", len(options)/2) + options
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	wire, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return wire
}

// draw prints what was read, without what is zero.
func draw(q *edge.Query, v edge.Verdict) string {
	var b strings.Builder
	b.WriteString([...]string{"short", "response", "malformed", "ok"}[v])
	add := func(ok bool, format string, args ...any) {
		if ok {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	add(q.Opcode != 0, "opcode=%d", q.Opcode)
	add(q.RD, "rd")
	add(q.Name != nil, "%x/%d/%d", q.Name, q.Type, q.Class)
	add(q.EDNS, "edns=%d", q.Size)
	add(q.Version != 0, "version=%d", q.Version)
	add(q.DO, "do")
	add(q.NSID, "nsid")
	add(q.Keepalive, "keepalive")
	add(q.Padding, "padding")
	add(q.Cookie != nil, "cookie=%x", q.Cookie)
	add(q.Subnet.Present, "subnet=%d/%s", q.Subnet.Family, q.Subnet.Prefix)
	add(q.TSIG != 0, "tsig=%d", q.TSIG)
	return b.String()
}

func TestRead(t *testing.T) {
	const asked = " " + qname + "/1/1"
	longName := strings.Repeat("3f"+strings.Repeat("61", 63), 3) + "3d" + strings.Repeat("62", 61) + "00" // 255 bytes
	tooLong := strings.Repeat("3f"+strings.Repeat("61", 63), 3) + "3e" + strings.Repeat("62", 62) + "00"
	tests := []struct{ name, wire, want string }{
		{"a query", header("0100", 1, 0, 0, 0) + question, "ok rd" + asked},
		{"every flag that means nothing", header("07ff", 1, 0, 0, 0) + question, "ok rd" + asked},
		{"the root", header("0000", 1, 0, 0, 0) + "0000010001", "ok 00/1/1"},
		{"the longest name", header("0000", 1, 0, 0, 0) + longName + "00010001", "ok " + longName + "/1/1"},
		{"bytes behind the last record", header("0000", 1, 0, 0, 0) + question + opt, "ok" + asked},

		{"nothing", "", "short"},
		{"half a header", header("0000", 1, 0), "short"},
		{"a response", header("8000", 1, 0, 0, 0) + question, "response"},

		{"no question", header("0000", 0, 0, 0, 0), "ok"},
		{"no question and a cookie", header("0000", 0, 0, 0, 1) + "00002904d000000000000c" + "000a00080102030405060708", "ok edns=1232 cookie=0102030405060708"},
		{"two questions", header("0000", 2, 0, 0, 0) + question + question, "malformed"},
		{"a question of many that are not there", header("0000", 65535, 0, 0, 0) + question, "malformed"},
		{"a question that is not there", header("0000", 1, 0, 0, 0), "malformed"},
		{"a name cut short", header("0000", 1, 0, 0, 0) + qname[:12], "malformed"},
		{"no type", header("0000", 1, 0, 0, 0) + qname, "malformed"},
		{"half a class", header("0000", 1, 0, 0, 0) + question[:len(question)-2], "malformed"},
		{"a question that points to itself", header("0000", 1, 0, 0, 0) + "c00c00010001", "malformed"},
		{"a question that points into the header", header("0000", 1, 0, 0, 0) + "c00400010001", "malformed"},
		{"a question that ends in the header", header("0000", 1, 0, 0, 0) + "0161c00400010001", "malformed"},
		{"a label of no known kind", header("0000", 1, 0, 0, 0) + "416162630000010001", "malformed"},
		{"a name that is too long", header("0000", 1, 0, 0, 0) + tooLong + "00010001", "malformed"},

		{"an opcode nobody knows", header("7900", 1, 0, 0, 1) + question + opt, "ok opcode=15 rd edns=1232"},
		{"an opcode and what it may mean", header("7800", 3, 9, 9, 9) + "ffff", "ok opcode=15"},
		{"NOTIFY of nothing", header("2000", 0, 0, 0, 0), "malformed opcode=4"},
		{"UPDATE of two zones", header("2800", 2, 0, 0, 0) + question + question, "malformed opcode=5"},
		{"DSO", header("3000", 0, 0, 0, 0), "ok opcode=6"},

		{"counts that lie", header("0000", 1, 0, 0, 1) + question, "malformed" + asked},
		{"counts that lie behind an OPT", header("0000", 1, 0, 0, 2) + question + opt, "malformed" + asked},
		{"an answer", header("0000", 1, 1, 0, 0) + question + address, "malformed" + asked},
		{"an authority", header("0000", 1, 0, 1, 0) + question + address, "malformed" + asked},
		{"IXFR", header("0000", 1, 0, 1, 0) + qname + "00fb0001" + address, "ok " + qname + "/251/1"},
		{"an additional record", header("0000", 1, 0, 0, 2) + question + address + opt, "ok" + asked + " edns=1232"},
		{"an address of three bytes", header("0000", 1, 0, 0, 1) + question + "c00c00010001000000000003c00002", "malformed" + asked},
		{"a host of a bad name", header("0000", 1, 0, 0, 1) + question + "c00c0002000100000000000240ff", "malformed" + asked},
		{"a type nobody knows", header("0000", 1, 0, 0, 1) + question + "c00cff420001000000000003c00002", "ok" + asked},
		{"an owner that points to itself", header("0000", 1, 0, 0, 1) + question + "c02000010001000000000004c0000201", "malformed" + asked},
		{"an owner that points on", header("0000", 1, 0, 0, 1) + question + "c02f00010001000000000004c0000201", "malformed" + asked},

		{"EDNS", header("0000", 1, 0, 0, 1) + question + opt, "ok" + asked + " edns=1232"},
		{"every EDNS flag", header("0000", 1, 0, 0, 1) + question + "0000290200ff00ffff0000", "ok" + asked + " edns=512 do"},
		{"another version, whatever its options", header("0000", 1, 0, 0, 1) + question + "00002904d0000100000001ff", "ok" + asked + " edns=1232 version=1"},
		{"two OPT", header("0000", 1, 0, 0, 2) + question + opt + opt, "malformed" + asked},
		{"OPT not at the root", header("0000", 1, 0, 0, 1) + question + "0161" + opt, "malformed" + asked},
		{"OPT in the answer", header("0000", 1, 1, 0, 0) + question + opt, "malformed" + asked},
		{"OPT in the authority", header("0000", 1, 0, 1, 0) + question + opt, "malformed" + asked},
		{"OPT cut short", header("0000", 1, 0, 0, 1) + question + opt[:14], "malformed" + asked},
		{"OPT longer than the message", header("0000", 1, 0, 0, 1) + question + "00002904d0000000000008", "malformed" + asked},

		{"options nobody knows", withOptions("fde900020102" + "ffff0000"), "ok" + asked + " edns=1232"},
		{"half an option", withOptions("000300"), "malformed" + asked},
		{"an option that ends beyond the record", withOptions("00030004"), "malformed" + asked},
		{"NSID, with data or without", withOptions("00030001aa"), "ok" + asked + " edns=1232 nsid"},
		{"keepalive", withOptions("000b0000"), "ok" + asked + " edns=1232 keepalive"},
		{"padding", withOptions("000c000400000000"), "ok" + asked + " edns=1232 padding"},

		{"TSIG", header("0000", 1, 0, 0, 2) + question + opt + tsig, "ok" + asked + " edns=1232 tsig=43"},
		{"TSIG that is not last", header("0000", 1, 0, 0, 2) + question + tsig + opt, "malformed" + asked},
		{"TSIG in the answer", header("0000", 1, 1, 0, 0) + question + tsig, "malformed" + asked},
		{"TSIG of class IN", header("0000", 1, 0, 0, 1) + question + strings.Replace(tsig, "00ff", "0001", 1), "malformed" + asked},
		{"TSIG without data", header("0000", 1, 0, 0, 1) + question + "016b0000fa00ff000000000000", "malformed" + asked},
		{"TSIG with a MAC longer than the record", header("0000", 1, 0, 0, 1) + question + strings.Replace(tsig, "012c0000", "012c0001", 1), "malformed" + asked},
		{"SIG(0) that is not last", header("0000", 1, 0, 0, 2) + question + "00001800ff000000000003000005" + opt, "malformed" + asked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q edge.Query
			if got := draw(&q, edge.Read(unhex(t, tt.wire), &q)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// RFC 7873 §5.2.2: "a COOKIE option [of] invalid length ... FORMERR": 8 bytes, or 16 to 40.
func TestReadCookie(t *testing.T) {
	cookie := func(n int) string { return fmt.Sprintf("000a%04x", n) + strings.Repeat("ab", n) }
	for n := range 64 {
		var q edge.Query
		v := edge.Read(unhex(t, withOptions(cookie(n))), &q)
		if fits := n == 8 || n >= 16 && n <= 40; fits != (v == edge.OK) || fits != (len(q.Cookie) == n) && n > 0 {
			t.Errorf("%d bytes: got %s", n, draw(&q, v))
		}
		if !q.EDNS {
			t.Errorf("%d bytes: got no EDNS: the fault is none of the frame", n)
		}
	}
	var q edge.Query
	if v := edge.Read(unhex(t, withOptions("000a0008"+"0102030405060708"+cookie(8))), &q); v != edge.OK || q.Cookie[0] != 1 {
		t.Errorf("of two: got %s, want the first", draw(&q, v))
	}
	if v := edge.Read(unhex(t, withOptions(cookie(8)+cookie(7))), &q); v != edge.Malformed {
		t.Errorf("a second that is malformed: got %s", draw(&q, v))
	}
}

// A client subnet has the octets its prefix needs, no bit beyond them and no scope (RFC 7871 §6, §7.1.1).
func TestReadSubnet(t *testing.T) {
	tests := []struct{ name, option, want string }{
		{"24 bits of IPv4 in 3 octets", "00011800" + "c63364", "1/198.51.100.0/24"},
		{"20 bits of IPv4 in 3 octets", "00011400" + "c63360", "1/198.51.96.0/20"},
		{"32 bits of IPv4", "00012000" + "c6336407", "1/198.51.100.7/32"},
		{"48 bits of IPv6 in 6 octets", "00023000" + "20010db80001", "2/2001:db8:1::/48"},
		{"mapped IPv4", "00028000" + "00000000000000000000ffffc6336407", "2/::ffff:198.51.100.7/128"},
		{"no bits", "00010000", "1/0.0.0.0/0"},
		{"no family, no bits", "00000000", "0/invalid Prefix"},
		{"no family, but bits", "00000800" + "c6", ""},
		{"another family", "00031800" + "c63364", ""},
		{"an octet too few", "00011800" + "c633", ""},
		{"an octet too many", "00011800" + "c6336400", ""},
		{"an octet for no bits", "00010000" + "00", ""},
		{"a bit beyond the prefix", "00011400" + "c63364", ""},
		{"more bits than IPv4 has", "00012100" + "c633640100", ""},
		{"more bits than IPv6 has", "00028100" + strings.Repeat("00", 17), ""},
		{"a scope", "00011818" + "c63364", ""},
		{"too short for a family", "00", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q edge.Query
			v := edge.Read(unhex(t, withOptions("00030000"+fmt.Sprintf("0008%04x", len(tt.option)/2)+tt.option)), &q)
			got := ""
			if v == edge.OK {
				got = fmt.Sprintf("%d/%s", q.Subnet.Family, q.Subnet.Prefix)
			}
			if got != tt.want || q.Subnet.Present != (v == edge.OK) || !q.EDNS {
				t.Errorf("got %s, %s; want %q", got, draw(&q, v), tt.want)
			}
		})
	}
}

// What Read hands out aliases the message, and cannot be appended to into what stands behind it.
func TestReadCopiesNothing(t *testing.T) {
	wire := unhex(t, withOptions("000a0008"+"0102030405060708"+"00030000"))
	before := bytes.Clone(wire)
	var q edge.Query
	edge.Read(wire, &q)
	_, _ = append(q.Name, 0xff), append(q.Cookie, 0xff)
	if !bytes.Equal(wire, before) {
		t.Errorf("the message was written to: %x", wire)
	}
	wire[13] ^= 0x20
	if q.Name[1] != wire[13] {
		t.Error("the name is a copy")
	}
}

// everything is a query with all that Read knows.
func everything(t testing.TB) []byte {
	return unhex(t, withOptions("00030000"+"000a0008"+"0102030405060708"+"0008000700011800c63364"+"000b0000"+"000c0004"+"00000000"))
}

func TestReadAllocates(t *testing.T) {
	wire := everything(t)
	var q edge.Query
	if n := testing.AllocsPerRun(100, func() { edge.Read(wire, &q) }); n != 0 {
		t.Errorf("reading a query takes %v allocations", n)
	}
	want := netip.MustParsePrefix("198.51.100.0/24")
	if !q.NSID || !q.Keepalive || !q.Padding || q.Subnet.Prefix != want || binary.BigEndian.Uint64(q.Cookie) != 0x0102030405060708 {
		t.Errorf("got %s", draw(&q, edge.OK))
	}
}

func BenchmarkRead(b *testing.B) {
	for name, wire := range map[string][]byte{
		"plain": unhex(b, header("0000", 1, 0, 0, 0)+question), "edns": unhex(b, withOptions("")), "everything": everything(b),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var q edge.Query
			for b.Loop() {
				edge.Read(wire, &q)
			}
		})
	}
}
