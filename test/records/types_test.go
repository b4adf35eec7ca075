package records

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// noData are the types by name that no zone holds, and why.
var noData = map[string]string{
	"None":     "type 0 is reserved (RFC 6895 §3.1)",
	"Reserved": "type 65535 is reserved",
	"OPT":      "stands in messages alone (RFC 6891)",
	"TKEY":     "stands in messages alone (RFC 2930)",
	"TSIG":     "stands in messages alone (RFC 8945)",
	"NXNAME":   "stands in answers that are signed as they are made (RFC 9824)",
	"IXFR":     "is a question", "AXFR": "is a question", "MAILA": "is a question", "MAILB": "is a question", "ANY": "is a question",
}

// examples are data of each type as people write it.
var examples = map[string]string{
	"A": "192.0.2.1", "NS": "ns1.example.net.", "MD": "a.example.net.", "MF": "a.example.net.", "CNAME": "a.example.net.",
	"MB": "a.example.net.", "MG": "a.example.net.", "MR": "a.example.net.", "NULL": `\# 3 010203`, "PTR": "a.example.net.",
	"HINFO": `"i386" "Linux 6"`, "MINFO": "a.example.net. b.example.net.", "MX": "10 mx.example.net.", "TXT": `"a b" "" "d\"e\000\255;"`,
	"RP": "a.example.net. b.example.net.", "AFSDB": "1 a.example.net.", "X25": `"311061700956"`, "ISDN": `"150862028003217" "004"`,
	"RT": "10 a.example.net.", "NSAP-PTR": "a.example.net.", "SIG": "A 5 2 300 20300101000000 20200101000000 1 example.net. YWJj",
	"KEY": "256 3 5 YWJj", "PX": "10 a.example.net. b.example.net.", "GPOS": `"-32.6882" "116.8652" "10.0"`, "AAAA": "2001:db8::1",
	"LOC": "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m", "NXT": "a.example.net. A MX NXT", "EID": "abcd1234",
	"NIMLOC": "abcd1234", "SRV": "1 2 3 a.example.net.", "ATMA": "+61200000000", "NAPTR": `1 2 "a" "b" "!^.*$!x!" a.example.net.`,
	"KX": "1 a.example.net.", "CERT": "1 1 5 YWJj", "DNAME": "a.example.net.", "APL": "1:10.0.0.0/8 !2:2001:db8::/32",
	"DS": "1 8 1 0000000000000000000000000000000000000000", "SSHFP": "1 1 0000000000000000000000000000000000000000",
	"IPSECKEY": "10 3 2 a.example.net. YWJj", "RRSIG": "A 8 2 300 20300101000000 20200101000000 1 example.net. YWJj",
	"NSEC": "b.example.net. A MX TYPE65300", "DNSKEY": "256 3 8 YWJj", "DHCID": "YWJj", "NSEC3": "1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A RRSIG",
	"NSEC3PARAM": "1 0 10 aabbccdd", "TLSA": "3 1 0 aabbcc", "SMIMEA": "3 1 0 aabbcc", "HIP": "2 200100107b1a74df YWJj rvs1.example.net.",
	"NINFO": `"x" "y"`, "RKEY": "0 3 8 YWJj", "TALINK": "a.example.net. b.example.net.", "CDS": "0 0 0 00", "CDNSKEY": "0 3 0 AA==",
	"OPENPGPKEY": "YWJj", "CSYNC": "66 3 A NS AAAA", "ZONEMD": "2018031500 1 1 " + strings.Repeat("ab", 48),
	"SVCB": `1 a.example.net. alpn="h2,h3" port=5 key65333="a b"`, "HTTPS": `1 . alpn="h2" ipv4hint=192.0.2.1 ech=YWJj ipv6hint=2001:db8::1`,
	"SPF": `"v=spf1 -all"`, "UINFO": `"x"`, "UID": "17", "GID": "18", "UNSPEC": `\# 3 010203`, "NID": "10 0014:4fff:ff20:ee64", "L32": "10 10.1.2.0",
	"L64": "10 2001:0db8:1140:1000", "LP": "10 a.example.net.", "EUI48": "00-00-5e-00-53-2a", "EUI64": "00-00-5e-ef-10-00-00-2a",
	"URI": `10 1 "ftp://x/"`, "CAA": `0 issue "letsencrypt.org; a=b"`, "AVC": `"x"`, "AMTRELAY": "10 0 3 a.example.net.",
	"RESINFO": `"qnamemin" "exterr=15,16,17"`, "TA": "1 8 1 0000000000000000000000000000000000000000", "DLV": "1 8 1 0000000000000000000000000000000000000000",
	"WKS": "192.0.2.1 6 25 80", "NSAP": "0x47000580005a0000000001e133ffffff00016100", "A6": "64 ::1 a.example.net.", "SINK": "1 2 3 YWJj",
	"HHIT": "YWJj", "BRID": "YWJj", "DSYNC": "CDS 1 5300 a.example.net.", "DOA": `1 2 3 "text/plain" YWJj`, "WALLET": `"x"`, "CLA": `"x"`, "IPN": "8",
	"TYPE65300": `\# 4 0a000001`, "TYPE65299": `\# 0`,
	"SOA": "", // every zone has one
}

// Every type that miekg/dns has a name for is read in presentation form, stored, answered and exported, and
// comes back from the export as it was; so are those that zonefile alone knows.
func TestEveryType(t *testing.T) {
	var all []string
	for _, name := range dns.TypeToString {
		all = append(all, name)
	}
	for name := range examples {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	for _, name := range all {
		_, known := zonefile.ParseType(name)
		text, has := examples[name]
		switch why := noData[name]; {
		case why != "" && (known || has):
			t.Errorf("%s is data of a zone, though it %s", name, why)
		case why == "" && !has:
			t.Errorf("%s has no example, and no reason for having none", name)
		case why == "" && text != "":
			t.Run(name, func(t *testing.T) { journey(t, name, text) })
		}
	}
}

const origin = zones.Name("\x07example\x03com\x00")

// journey takes data of a type through a zone file and a master file to an answer, and back.
func journey(t failer, name, text string) {
	typ, _ := zonefile.ParseType(name)
	want, err := zonefile.ParseRdata(typ, text, origin, zonefile.StrictNames)
	if err != nil {
		t.Fatalf("%s %s: %v", name, text, err)
	}
	value := "'" + text + "'"
	if strings.Contains(text, "'") {
		t.Fatalf("%s: an example without ' is wanted", name)
	}
	toml := fmt.Sprintf("zone = \"example.com\"\nns = [\"ns1.example.net.\"]\n[records.x]\n%s = { ttl = 77, data = %s }\n", name, value)
	written := load(t, toml)
	answered(t, written, typ, want)
	exported := zonefile.Export(written)
	imported, problems := zonefile.Import("example.com.zone", exported, origin, nil)
	if problems.Errors() > 0 {
		t.Fatalf("%s: the export is not read: %v\n%s", name, problems, exported)
	}
	again := load(t, string(imported))
	answered(t, again, typ, want)

	master := fmt.Sprintf("$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. admin 1 2 3 4 5\n@ NS ns1.example.net.\nx 77 %s %s\n", name, text)
	imported, problems = zonefile.Import("example.com.zone", []byte(master), origin, nil)
	if problems.Errors() > 0 {
		t.Fatalf("%s: %v", name, problems)
	}
	answered(t, load(t, string(imported)), typ, want)
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func load(t failer, text string) *zones.Source {
	t.Helper()
	sources, problems := zonefile.Load([]zonefile.File{{Path: "example.com.toml", Text: []byte(text)}}, zonefile.Options{})
	if problems.Errors() > 0 || len(sources) != 1 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return sources[0]
}

// answered asks for x.example.com and wants just one record, with this data.
func answered(t failer, src *zones.Source, typ uint16, want []byte) {
	t.Helper()
	set, err := zones.Compile([]*zones.Source{src})
	if err != nil {
		t.Fatalf("%v", err)
	}
	wire, err := new(dns.Msg).SetQuestion("x.example.com.", typ).Pack()
	if err != nil {
		t.Fatalf("%v", err)
	}
	var q edge.Query
	verdict := edge.Read(wire, &q)
	m := dnsserver.Respond(zones.NewTable(set, &checks.Snapshot{}), dnsserver.Query{Msg: &q, Verdict: verdict, Via: dnsserver.TCP})
	if m == nil {
		t.Fatalf("type %d: no response", typ)
	}
	records := m.Answer
	if len(records) == 0 {
		records = m.Ns // a zone cut
	}
	if m.Rcode != dns.RcodeSuccess || len(records) != 1 || records[0].Header().Rrtype != typ || records[0].Header().Ttl != 77 {
		t.Fatalf("type %d: got %v", typ, m)
	}
	rr := dns.Copy(records[0])
	rr.Header().Name = "."
	buf := make([]byte, dns.Len(rr)+len(want)+64)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil || !bytes.Equal(buf[11:n], want) {
		t.Fatalf("type %d: %v, got % x, want % x", typ, err, buf[11:n], want)
	}
	if out, err := m.Pack(); err != nil || len(out) == 0 {
		t.Fatalf("type %d: %v", typ, err)
	}
}

// Any type without a name takes any data in the form of RFC 3597.
func TestAnyType(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.Uint16Range(270, 65534).Filter(func(typ uint16) bool { return zonefile.FormatType(typ)[0:2] == "TY" }).Draw(t, "type")
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		journey(t, fmt.Sprintf("TYPE%d", typ), fmt.Sprintf(`\# %d %x`, len(data), data))
	})
}
