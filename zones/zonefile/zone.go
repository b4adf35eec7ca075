package zonefile

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
)

// Options are what a zone file does not say.
type Options struct {
	Env       *probe.Env // handed to the probers
	Templates Templates  // of the node file
	// ReadFile reads what a file names. Nil: nothing can be read.
	// The text is kept until Load returns and is not to change.
	ReadFile func(path string) ([]byte, error)
	Apart    bool // more zones than these may be served together with them
	Cluster  bool // the node has peers
	Nodes    int  // the nodes expected
}

var (
	zoneKeys = Keys{
		zone:  true,
		Names: []string{"zone", "ttl", "soa", "ns", "include", "checks", "pools", "records", "tests"},
	}
	soaKeys  = Keys{Names: []string{"mname", "rname", "serial", "refresh", "retry", "expire", "minimum", "ttl"}, Foreign: map[string]string{"ns": "mname"}}
	testKeys = Keys{Names: []string{"down", "query", "expect"}}
)

// Defaults of a zone, in seconds. Those of the SOA are the least that delegation checkers find nothing to say
// of.
const (
	defaultTTL     = 3600
	defaultRefresh = 14400
	defaultRetry   = 3600
	defaultExpire  = 1209600
	defaultMinimum = 300 // negative answers outlive recovery, so no longer
	longMinimum    = 300
)

// A zone is one file on its way to a Source.
type zone struct {
	doc        *Doc
	others     []*Doc // that templates come from
	opt        Options
	root       *Table
	src        *zones.Source
	label      string // the origin without its final dot
	ttl        uint32
	names      map[string]*Value // names of checks and pools, in lower case, with what they are
	checks     []*checkDecl
	pools      []*pool
	poolByName map[string]*pool
	owners     []*owner
	byName     map[zones.Name]*owner
	in         *included // nil: no master files
	watch      []placedWatch
}

// A placedWatch is a Watch with the place that asked for it.
type placedWatch struct {
	checks.Watch
	at *Value
}

// readZone reads one zone file.
func readZone(d *Doc, opt Options) *zone {
	if d.Mistaken([]string{"zone", "ns", "pools", "records"}, []string{"node", "zones", "dns", "cluster"},
		"this is a node file, not a zone file", "name it with -c, as in `vitalns check -c FILE`") {
		return nil
	}
	z := &zone{doc: d, others: opt.Templates.docs(), opt: opt, root: d.Root(zoneKeys), src: &zones.Source{File: d.Path}, ttl: defaultTTL,
		names: map[string]*Value{}, byName: map[zones.Name]*owner{}, poolByName: map[string]*pool{}}
	if z.root == nil {
		return nil
	}
	named := z.readOrigin()
	z.root.Get("ttl").TTL(&z.ttl)
	z.readChecks()
	z.readPools()
	if !named {
		return nil // nothing else can be read without knowing what names are relative to
	}
	z.readRecords()
	z.readIncludes()
	z.readNS()
	z.readSOA()
	z.readTests()
	z.linkPools()
	z.lintRecords()
	z.lintIncluded()
	z.makeWatches()
	z.finish()
	return z
}

func (z *zone) readOrigin() bool {
	v := z.root.Get("zone")
	if v == nil {
		z.doc.report(span{}, Error, "the file has no zone", `write zone = "gslb.example.com"`)
		return false
	}
	var s string
	if !v.Text(&s) {
		return false
	}
	name, err := zones.ParseName(s)
	if err != nil || s == "@" {
		v.Error("", "%q is not a domain name", s)
		return false
	}
	if name.IsWildcard() {
		v.Error("", "a zone is not a wildcard")
		return false
	}
	lintName(v.Warn, s)
	z.src.Origin, z.label = name, strings.TrimSuffix(name.String(), ".")
	return true
}

// readNS reads the nameservers: a table of names with addresses, or a list of names.
func (z *zone) readNS() {
	v := z.root.Get("ns")
	apex := z.byName[z.src.Origin]
	if v == nil {
		if apex.set(typeNS) == nil && len(z.in.set(z.src.Origin, typeNS)) == 0 {
			z.root.Get("zone").KeyError(`write ns = { ns1 = "192.0.2.53" }`, "the zone has no nameservers")
		}
		return
	}
	if set := apex.set(typeNS); set != nil {
		set.at.KeyError("keep one of the two", "the nameservers are in `ns` already, in line %d", v.line())
		return
	}
	apex = z.owner(z.src.Origin, v)
	ns := &rrset{RRset: zones.RRset{Owner: z.src.Origin, Type: typeNS, TTL: z.ttl}, at: v}
	if v.kind == tableKind {
		for _, f := range v.Table("ns", Keys{Open: true}).Fields() {
			z.readNameserver(f, ns)
		}
	} else {
		for _, item := range v.List() {
			var name zones.Name
			if z.name(item, &name) {
				ns.add(item, []byte(name))
			}
		}
	}
	if len(ns.Rdata) == 0 && !z.hasErrors() {
		v.Error("", "ns names no nameserver")
	}
	apex.sets = append(apex.sets, ns)
}

// readNameserver reads NAME = ADDRESSES of the table of nameservers.
func (z *zone) readNameserver(f *Value, ns *rrset) {
	if f.kind == tableKind {
		f.KeyError(fmt.Sprintf("write %q = \"192.0.2.53\"", dotted(f)), "TOML reads %s as a table in a table", dotted(f))
		return
	}
	name, why, hint := z.relative(f.Name)
	if why != "" {
		f.KeyError(hint, "%s", why)
		return
	}
	lintName(f.KeyWarn, f.Name)
	ns.add(f, []byte(name))
	if len(f.List()) == 0 {
		return
	}
	if !name.IsSubdomainOf(z.src.Origin) {
		f.Error("write ns as a list of names, or give it an empty list", "%s is not in this zone, which cannot have its address", name)
		return
	}
	o := z.owner(name, f)
	for _, item := range f.List() {
		z.addAddress(o, item)
	}
}

// addAddress adds the address of a nameserver to its owner.
func (z *zone) addAddress(o *owner, item *Value) {
	var addr addrData
	if !item.Addr(&addr.Addr) {
		return
	}
	item.lintAddress(addr.Addr)
	set := o.set(addr.rrtype())
	if set != nil && !set.fromNS {
		item.Error("keep one of the two", "%s of %s is in the records already, in line %d", FormatType(set.Type), o.text(z), set.at.line())
		return
	}
	if set == nil {
		set = &rrset{RRset: zones.RRset{Owner: o.name, Type: addr.rrtype(), TTL: z.ttl}, at: item, fromNS: true}
		o.sets = append(o.sets, set)
	}
	set.add(item, addr.AsSlice())
}

// readSOA reads the start of authority, whose every part has a default.
func (z *zone) readSOA() {
	soa := zones.SOA{Refresh: defaultRefresh, Retry: defaultRetry, Expire: defaultExpire, Minimum: defaultMinimum, TTL: z.ttl}
	if ns := z.byName[z.src.Origin].set(typeNS); ns != nil && len(ns.Rdata) > 0 {
		soa.MName, _, _ = zones.NameFromWire(ns.Rdata[0])
	} else if ns := z.in.set(z.src.Origin, typeNS); len(ns) > 0 {
		soa.MName, _, _ = zones.NameFromWire(z.in.made.Rdata(ns[0]))
	}
	soa.RName = "\x0ahostmaster" + z.src.Origin
	if z.in != nil && z.in.soa != nil {
		soa = *z.in.soa
	}
	t := z.root.Get("soa").Table("soa", soaKeys)
	z.name(t.Get("mname"), &soa.MName)
	z.mailbox(t.Get("rname"), &soa.RName)
	if v := t.Get("serial"); v != nil {
		n := int64(0)
		if v.integer(&n, 0, math.MaxUint32) && n == 0 && soa.Serial == 0 {
			v.Warn("", "serial 0 is the same as none: the cluster counts it")
		}
		soa.Serial = uint32(n)
	}
	t.Get("refresh").seconds(&soa.Refresh, math.MaxUint32)
	t.Get("retry").seconds(&soa.Retry, math.MaxUint32)
	t.Get("expire").seconds(&soa.Expire, math.MaxUint32)
	t.Get("ttl").TTL(&soa.TTL)
	if v := t.Get("minimum"); v.seconds(&soa.Minimum, math.MaxUint32) && soa.Minimum > longMinimum && len(z.pools) > 0 {
		v.Warn("negative answers outlive recovery by that long", "minimum %s is long for a zone with pools", duration(seconds(soa.Minimum)))
	}
	z.src.SOA = soa
}

// readTests holds [[tests]] against their keys. Running them is a later matter.
func (z *zone) readTests() {
	v := z.root.Get("tests")
	if v == nil {
		return
	}
	if v.kind != listKind {
		v.KeyError("write [[tests]]", "tests wants a list of tables, not %s", v.typeName())
		return
	}
	for i, item := range v.items {
		t := item.Table(fmt.Sprintf("test %d", i+1), testKeys)
		var query string
		var list []string
		t.Get("down").Texts(&list)
		t.Get("expect").Texts(&list)
		if q := t.Get("query"); q == nil && t != nil {
			t.Error(`write query = "www A"`, "has no query")
		} else {
			q.Text(&query)
		}
	}
	if len(v.items) > 0 {
		v.items[0].KeyWarn("", "tests are read and not run in this version")
	}
}

// errorCount counts the errors found so far, those in templates included.
func (z *zone) errorCount() int {
	n := z.doc.counts[Error]
	if z.in != nil {
		n += z.in.counts[Error]
	}
	for _, d := range z.others {
		n += d.counts[Error]
	}
	return n
}

func (z *zone) hasErrors() bool { return z.errorCount() > 0 }

// fresh reports whether a name is new among its kind, and an error if not.
func (z *zone) fresh(kind, name string, at *Value) bool {
	key := kind + " " + strings.ToLower(name)
	if first := z.names[key]; first != nil {
		at.KeyError("", "%s %q is there twice: see line %d", kind, name, first.line())
		return false
	}
	z.names[key] = at
	return true
}

// written reports whether [checks] or [pools] has a name, be it with an error, which is said where it stands.
func (z *zone) written(table, name string) bool {
	v := z.root.Get(table)
	return v != nil && (v.kind != tableKind || v.byName[name] != nil)
}

const nameHint = "names have 1 to 100 characters, no blank, no slash, no quote"

// goodName reports whether s can be the name of a check, a pool or a target: it stands in ZONE/POOL/TARGET,
// in labels of metrics and on terminals.
func goodName(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune(`/\"'`+"`", r) || r == unicode.ReplacementChar
	})
}

func validName(v *Value) bool {
	if !goodName(v.Name) {
		v.KeyError(nameHint, "%q cannot be a name", v.Name)
		return false
	}
	return true
}

// scalar returns the text of a value that is a string.
func (v *Value) scalar() (string, bool) {
	if v == nil {
		return "", false
	}
	s, ok := v.data.(string)
	return s, ok
}

// dotted is the key that a user probably meant who wrote a.b without quotes.
func dotted(v *Value) string {
	name := v.Name
	for v.kind == tableKind && len(v.fields) == 1 {
		if v = v.fields[0]; v.written && v.kind != tableKind {
			if _, ok := ParseType(v.Name); ok {
				break
			}
		}
		name += "." + v.Name
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
