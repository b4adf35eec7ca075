package zonefile

import (
	"strconv"
	"strings"
)

// An rrType is what is known of a record type: its mnemonic, the layout of its rdata, and who else can
// read its presentation form.
//
// A layout is a row of field codes (see fields): the fields of the rdata, in the order of both the wire
// and the presentation form. A type with an empty layout has no presentation form but RFC 3597's.
type rrType struct {
	name     string
	layout   string
	portable bool // BIND, Knot and NSD read its presentation form, so it may be exported in it
}

// rrTypes are the types that can stand in a zone, by number.
var rrTypes = map[uint16]rrType{
	1:     {"A", "a", true},
	2:     {"NS", "n", true},
	3:     {"MD", "n", false},
	4:     {"MF", "n", false},
	5:     {"CNAME", "n", true},
	6:     {"SOA", "nn4tttt", true},
	7:     {"MB", "n", false},
	8:     {"MG", "n", false},
	9:     {"MR", "n", false},
	10:    {"NULL", "", false},
	11:    {"WKS", "W", false},
	12:    {"PTR", "n", true},
	13:    {"HINFO", "ss", true},
	14:    {"MINFO", "nn", true},
	15:    {"MX", "2n", true},
	16:    {"TXT", "S", true},
	17:    {"RP", "nn", true},
	18:    {"AFSDB", "2n", true},
	19:    {"X25", "s", false},
	20:    {"ISDN", "so", false},
	21:    {"RT", "2n", true},
	22:    {"NSAP", "V", false},
	23:    {"NSAP-PTR", "n", false},
	24:    {"SIG", "TA14DD2nb", false},
	25:    {"KEY", "fPAB", false},
	26:    {"PX", "2nn", false},
	27:    {"GPOS", "sss", false},
	28:    {"AAAA", "q", true},
	29:    {"LOC", "L", true},
	30:    {"NXT", "nw", false},
	31:    {"EID", "x", false},
	32:    {"NIMLOC", "x", false},
	33:    {"SRV", "222n", true},
	34:    {"ATMA", "M", false},
	35:    {"NAPTR", "22sssn", true},
	36:    {"KX", "2n", true},
	37:    {"CERT", "C2Ab", true},
	38:    {"A6", "U", false},
	39:    {"DNAME", "n", true},
	40:    {"SINK", "111B", false},
	42:    {"APL", "y", true},
	43:    {"DS", "2AYx", true},
	44:    {"SSHFP", "11x", true},
	45:    {"IPSECKEY", "111GB", true},
	46:    {"RRSIG", "TA14DD2nb", true},
	47:    {"NSEC", "nm", true},
	48:    {"DNSKEY", "2PAb", true},
	49:    {"DHCID", "b", true},
	50:    {"NSEC3", "112hHm", true},
	51:    {"NSEC3PARAM", "112h", true},
	52:    {"TLSA", "111x", true},
	53:    {"SMIMEA", "111x", true},
	55:    {"HIP", "iN", false},
	56:    {"NINFO", "S", false},
	57:    {"RKEY", "2PAB", false},
	58:    {"TALINK", "nn", false},
	59:    {"CDS", "2AYx", true},
	60:    {"CDNSKEY", "2PAb", true},
	61:    {"OPENPGPKEY", "b", true},
	62:    {"CSYNC", "42m", true},
	63:    {"ZONEMD", "411x", true},
	64:    {"SVCB", "2nK", true},
	65:    {"HTTPS", "2nK", true},
	66:    {"DSYNC", "TQ2n", false},
	67:    {"HHIT", "b", false},
	68:    {"BRID", "b", false},
	99:    {"SPF", "S", true},
	100:   {"UINFO", "s", false},
	101:   {"UID", "4", false},
	102:   {"GID", "4", false},
	103:   {"UNSPEC", "", false},
	104:   {"NID", "2I", true},
	105:   {"L32", "2a", true},
	106:   {"L64", "2I", true},
	107:   {"LP", "2n", true},
	108:   {"EUI48", "E", true},
	109:   {"EUI64", "e", true},
	256:   {"URI", "22l", true},
	257:   {"CAA", "1gl", true},
	258:   {"AVC", "S", false},
	259:   {"DOA", "441sd", false},
	260:   {"AMTRELAY", "1jG", false},
	261:   {"RESINFO", "S", false},
	262:   {"WALLET", "S", false},
	263:   {"CLA", "S", false},
	264:   {"IPN", "8", false},
	32768: {"TA", "2AYx", false},
	32769: {"DLV", "2AYx", false},
}

// metaTypes cannot stand in a zone: they are of queries and transactions.
var metaTypes = map[uint16]string{
	41: "OPT", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "ANY",
}

var typeNumbers = numbersOf(rrTypes)

func numbersOf(types map[uint16]rrType) map[string]uint16 {
	numbers := make(map[string]uint16, len(types))
	for number, t := range types {
		numbers[t.name] = number
	}
	return numbers
}

// ParseType returns the number of a type that can stand in a zone, by its mnemonic in upper case or as
// TYPEnnn (RFC 3597 §5).
func ParseType(s string) (uint16, bool) {
	if n, ok := typeNumbers[s]; ok {
		return n, true
	}
	digits, ok := strings.CutPrefix(s, "TYPE")
	if !ok || len(digits) > 5 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || metaTypes[uint16(n)] != "" {
		return 0, false
	}
	return uint16(n), true
}

// FormatType returns the mnemonic of a type, or TYPEnnn.
func FormatType(typ uint16) string {
	if t, ok := rrTypes[typ]; ok {
		return t.name
	}
	return "TYPE" + strconv.Itoa(int(typ))
}
