package zonefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vitalns/zones"
)

// wideLine is how long a line of TOML may be before its list gets a line for each item.
const wideLine = 100

// Import returns the TOML of an RFC 1035 master file. open reads the files of $INCLUDE; nil forbids
// them. Nothing is dropped: where something cannot be read the TOML is nil and the problems say where.
// What every server leaves out when it loads the file (data out of the zone, repeated records) is left
// out with a warning.
func Import(file string, text []byte, origin zones.Name, open func(file string) ([]byte, error)) ([]byte, Problems) {
	m, problems := scanMaster(file, text, origin, open)
	if problems.Errors() > 0 {
		return nil, problems
	}
	im := importer{master: m, file: file, ttl: m.commonTTL()}
	im.mergeSignatures()
	im.head()
	im.nameservers()
	im.startOfAuthority()
	im.records()
	return im.out.Bytes(), append(problems, im.problems...)
}

// An importer writes a master as TOML.
type importer struct {
	*master
	file     string
	ttl      uint32          // of the zone
	inNS     map[[2]int]bool // sets, by owner and place, that `ns` says already
	out      bytes.Buffer
	problems Problems
}

// commonTTL returns the TTL that most sets have; of equals the longest.
func (m *master) commonTTL() uint32 {
	count := map[uint32]int{}
	for _, o := range m.owners {
		for _, set := range o.sets {
			count[set.ttl]++
		}
	}
	var best uint32
	for ttl, n := range count {
		if n > count[best] || n == count[best] && ttl > best {
			best = ttl
		}
	}
	return best
}

// mergeSignatures makes one set of the signatures of an owner: a zone file has one TTL for them.
func (im *importer) mergeSignatures() {
	for i := range im.owners {
		o := &im.owners[i]
		var sets []masterSet
		for _, set := range o.sets {
			j := slices.IndexFunc(sets, func(s masterSet) bool { return s.typ == set.typ })
			if j < 0 {
				sets = append(sets, set)
				continue
			}
			if sets[j].ttl != set.ttl {
				least := min(sets[j].ttl, set.ttl)
				im.problems = append(im.problems, Problem{File: im.file, Severity: Warning, Text: fmt.Sprintf(
					"%s %s of type %s: TTL %d, but a zone file has one for all of them, %d", o.name, FormatType(set.typ), FormatType(set.covered), set.ttl, least)})
				sets[j].ttl = least
			}
			sets[j].rdata = append(slices.Clip(sets[j].rdata), set.rdata...)
		}
		o.sets = sets
	}
}

func (im *importer) printf(format string, args ...any) { fmt.Fprintf(&im.out, format, args...) }

// head writes the keys that come before all tables but `ns`.
func (im *importer) head() {
	im.printf("# imported from %s\n", comment(im.file))
	name := im.origin.String()
	if im.origin != zones.Root {
		name = strings.TrimSuffix(name, ".")
	}
	im.printf("zone = %s\n", tomlString(name))
	im.printf("ttl  = %s\n", tomlTTL(im.ttl))
}

// nameservers writes `ns` where it says exactly what the records say: the apex NS with the TTL of the
// zone. As a table it also has the addresses of those names, where they have that TTL too.
func (im *importer) nameservers() {
	im.inNS = map[[2]int]bool{}
	apex := int(im.index[im.origin])
	at := slices.IndexFunc(im.owners[apex].sets, func(s masterSet) bool { return s.typ == typeNS })
	set := im.owners[apex].sets[at]
	if set.ttl != im.ttl {
		return
	}
	im.inNS[[2]int{apex, at}] = true
	var names, entries []string
	withAddresses := false
	for _, rdata := range set.rdata {
		name := relativeText(string(rdata), string(im.origin))
		addresses := im.nameserverAddresses(rdata)
		withAddresses = withAddresses || len(addresses) > 0
		names = append(names, name)
		entries = append(entries, tomlKey(name)+" = "+im.list(addresses, 0))
	}
	if !withAddresses {
		im.printf("ns   = %s\n", im.list(names, 0))
		return
	}
	line := "{ " + strings.Join(entries, ", ") + " }"
	if len(line) < wideLine {
		im.printf("ns   = %s\n", line)
		return
	}
	im.printf("\n[ns]\n%s\n", strings.Join(entries, "\n"))
}

// nameserverAddresses takes the addresses of a nameserver out of the records, where they can be said in
// `ns`.
func (im *importer) nameserverAddresses(rdata []byte) []string {
	name, _, err := zones.NameFromWire(rdata)
	if err != nil {
		return nil
	}
	owner, ok := im.index[name]
	if !ok {
		return nil
	}
	var addresses []string
	for j, set := range im.owners[owner].sets {
		if set.ttl != im.ttl || set.typ != typeA && set.typ != typeAAAA {
			continue
		}
		im.inNS[[2]int{int(owner), j}] = true
		for _, addr := range set.rdata {
			addresses = append(addresses, FormatRdata(set.typ, addr))
		}
	}
	return addresses
}

func (im *importer) startOfAuthority() {
	soa := im.soa
	im.printf("\n[soa]\n")
	im.printf("mname   = %s\n", tomlString(relativeText(string(soa.MName), string(im.origin))))
	im.printf("rname   = %s\n", tomlString(im.mailbox(soa.RName)))
	if soa.Serial != 0 { // none stands for 0: it follows the content
		im.printf("serial  = %d # kept as it is; without this line it follows the content\n", soa.Serial)
	}
	im.printf("refresh = %s\n", tomlTTL(soa.Refresh))
	im.printf("retry   = %s\n", tomlTTL(soa.Retry))
	im.printf("expire  = %s\n", tomlTTL(soa.Expire))
	im.printf("minimum = %s\n", tomlTTL(soa.Minimum))
	if soa.TTL != im.ttl {
		im.printf("ttl     = %s\n", tomlTTL(soa.TTL))
	}
}

// mailbox returns an rname as an address of mail where that is plain to read.
func (im *importer) mailbox(rname zones.Name) string {
	if rname == zones.Root || rname.Parent() == zones.Root {
		return rname.String()
	}
	user := rname[1 : 1+int(rname[0])]
	for i := range len(user) {
		if !bare(user[i]) && user[i] != '.' || user[i] == '.' && (i == 0 || i == len(user)-1 || user[i-1] == '.') {
			return rname.String()
		}
	}
	domain := rname.Parent().String()
	if strings.Contains(domain, `\`) {
		return rname.String()
	}
	return string(user) + "@" + strings.TrimSuffix(domain, ".")
}

// records writes [records], a line for each set, in the order of the master file.
func (im *importer) records() {
	im.printf("\n[records]\n")
	note := int32(0)
	for i := range im.owners {
		o := &im.owners[i]
		var lines [][2]string
		ttl, own := im.ownerTTL(i)
		if own {
			lines = append(lines, [2]string{"ttl", tomlTTL(ttl)})
		}
		key := tomlKey(im.ownerKey(o.name))
		for j, set := range o.sets {
			if im.inNS[[2]int{i, j}] {
				continue
			}
			typ := tomlKey(FormatType(set.typ))
			value := im.set(set, set.ttl != ttl, len(key)+len(typ)+4)
			lines = append(lines, [2]string{typ, value})
		}
		if len(lines) == 0 {
			continue
		}
		if o.note != note {
			note = o.note
			im.printf("\n")
			if note != 0 {
				im.printf("# %s\n", comment(im.notes[note]))
			}
		}
		width := 0
		for _, line := range lines {
			width = max(width, len(line[0]))
		}
		for _, line := range lines {
			im.printf("%s.%-*s = %s\n", key, width, line[0], line[1])
		}
	}
}

// ownerTTL returns the TTL that the sets of an owner have unless they say otherwise, and whether the
// owner must say so: it is that of the zone, or one that all the owner's sets share.
func (im *importer) ownerTTL(owner int) (ttl uint32, own bool) {
	n := 0
	for j, set := range im.owners[owner].sets {
		if im.inNS[[2]int{owner, j}] {
			continue
		}
		if n++; n > 1 && set.ttl != ttl {
			return im.ttl, false
		}
		ttl = set.ttl
	}
	if n < 2 || ttl == im.ttl {
		return im.ttl, false
	}
	return ttl, true
}

// ownerKey returns an owner as a zone file has it: relative, but absolute where it would look so.
func (im *importer) ownerKey(name zones.Name) string {
	if name == im.origin {
		return "@"
	}
	end, final := len(name)-len(im.origin), ""
	if rest := name[:end] + zones.Root; im.origin == zones.Root || rest.IsSubdomainOf(im.origin) {
		end, final = len(name)-1, "."
	}
	labels := labelTexts(string(name[:end]))
	for i, label := range labels {
		if i > 0 && label == "*" { // a wildcard only as the first label
			labels[i] = `\*`
		}
	}
	return strings.Join(labels, ".") + final
}

// set returns the value of a set; deviates says that its TTL must be told.
func (im *importer) set(set masterSet, deviates bool, indent int) string {
	texts := make([]string, len(set.rdata))
	for i, rdata := range set.rdata {
		texts[i] = im.data(set.typ, rdata)
	}
	if !deviates {
		return im.list(texts, indent)
	}
	ttl := tomlTTL(set.ttl)
	return "{ ttl = " + ttl + ", data = " + im.list(texts, indent+len(ttl)+20) + " }"
}

func (im *importer) data(typ uint16, rdata []byte) string {
	if typ == typeTXT {
		if text, ok := asPlainText(rdata); ok {
			return text
		}
	}
	if text, ok := formatRdata(typ, rdata, string(im.origin)); ok {
		return text
	}
	return genericRdata(rdata)
}

// list returns strings as a value: one by itself, more as a list, on lines of their own if they are wide.
func (im *importer) list(texts []string, indent int) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = tomlString(text)
		indent += len(quoted[i]) + 2
	}
	switch {
	case len(quoted) == 1:
		return quoted[0]
	case indent > wideLine:
		return "[\n  " + strings.Join(quoted, ",\n  ") + ",\n]"
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func tomlTTL(n uint32) string { return `"` + duration(time.Duration(n)*time.Second) + `"` }

// tomlKey returns a key, quoted if it must be.
func tomlKey(s string) string {
	for i := range len(s) {
		if !bare(s[i]) {
			return tomlString(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// tomlString returns s as a string of TOML, literal where that spares escapes.
func tomlString(s string) string {
	special := func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
	odd := strings.ContainsFunc(s, special)
	if !odd && !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	if !odd && !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case special(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// comment returns text as it may stand behind # or ; on one line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
