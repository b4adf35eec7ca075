package zonefile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vitalns/zones"
	"vitalns/zones/policy"
)

var (
	recordKeys = Keys{zone: true, Names: slices.Concat([]string{"pool", "rules", "ecs", aliasKey}, poolKeys), rrtypes: true,
		Foreign: map[string]string{"target": "pool", "name": "", "value": "", "aname": aliasKey, "flatten": aliasKey}}
	dataKeys = Keys{Names: []string{"ttl", "data"}}
	ruleKeys = Keys{Names: []string{"subnets", "pool"},
		Later: map[string]string{"geo": "send clients by `subnets`"}}
)

// An owner is a name with all that stands at it.
type owner struct {
	name    zones.Name
	at      *Value // [records.OWNER], or the nameserver it was made for
	table   *Table // nil if no record made it
	sets    []*rrset
	dynamic *zones.Dynamic
	pools   []*Value // the names of the pools it sends to, where they stand
	alias   *Value   // the name that its ALIAS follows, where it stands
}

// An rrset is an RRset with the places of its parts.
type rrset struct {
	zones.RRset
	at     *Value
	items  []*Value
	seen   map[string]int // place of each rdata, by its canonical form
	hosts  []hostPool     // of MX and SRV: pools that list names
	fromNS bool           // addresses written in `ns`
}

// add adds rdata that is not there yet.
func (s *rrset) add(at *Value, rdata []byte) {
	if first := s.has(rdata); first != nil {
		at.Warn("", "is in line %d already", first.line())
		return
	}
	s.seen[string(canonicalRdata(s.Type, rdata))] = len(s.Rdata)
	s.Rdata, s.items = append(s.Rdata, rdata), append(s.items, at)
}

// has returns where rdata stands in a set, nil if nowhere.
func (s *rrset) has(rdata []byte) *Value {
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	if i, ok := s.seen[string(canonicalRdata(s.Type, rdata))]; ok && i < len(s.items) {
		return s.items[i]
	}
	return nil
}

func (o *owner) set(typ uint16) *rrset {
	if o == nil {
		return nil
	}
	for _, s := range o.sets {
		if s.Type == typ {
			return s
		}
	}
	return nil
}

// text is the owner as a zone file writes it.
func (o *owner) text(z *zone) string { return ownerText(o.name, z.src.Origin) }

// ownerText is a name relative to its zone, "@" for the apex.
func ownerText(name, origin zones.Name) string {
	if name == origin {
		return "@"
	}
	if origin == zones.Root || !name.IsSubdomainOf(origin) {
		return name.String()
	}
	return strings.TrimSuffix(strings.TrimSuffix(name.String(), origin.String()), ".")
}

// owner returns the owner of a name, making it if need be.
func (z *zone) owner(name zones.Name, at *Value) *owner {
	if o := z.byName[name]; o != nil {
		return o
	}
	o := &owner{name: name, at: at}
	z.byName[name] = o
	z.owners = append(z.owners, o)
	return o
}

// readRecords reads [records].
func (z *zone) readRecords() {
	for _, f := range z.root.Get("records").Table("", Keys{Open: true}).Fields() {
		name, why, hint := z.readOwner(f.Name)
		if why != "" {
			f.KeyError(hint, "%s", why)
			continue
		}
		if f.kind != tableKind {
			f.Error(fmt.Sprintf("write [records.%s] and the type of the data", quoteKey(f.Name)), "record %q wants a table, not %s", f.Name, f.typeName())
			continue
		}
		if nested(f) {
			f.KeyError(fmt.Sprintf("write [records.%q]", dotted(f)), "TOML reads records.%s as a table in a table", dotted(f))
			continue
		}
		if first := z.byName[name]; first != nil {
			f.KeyError("", "record %q is there twice: see %q in line %d", f.Name, first.at.Name, first.at.line())
			continue
		}
		lintName(f.KeyWarn, f.Name)
		o := z.owner(name, f)
		o.table = f.Table(say("record %q", f.Name), recordKeys)
		if len(f.fields) == 0 {
			o.table.Warn("", "has nothing in it")
		}
		z.readRecord(o)
	}
}

// nested reports whether a record's table holds what must be another record: [records.ns1.lab].
func nested(f *Value) bool {
	if len(f.fields) == 0 {
		return false
	}
	for _, inner := range f.fields {
		if inner.kind != tableKind || recordKeys.known(inner.Name) || recordKeys.known(strings.ToUpper(inner.Name)) || len(inner.fields) == 0 {
			return false
		}
		for _, key := range inner.fields {
			if !recordKeys.known(key.Name) && key.kind != tableKind {
				return false
			}
		}
	}
	return true
}

func quoteKey(s string) string {
	for i := range len(s) {
		if !bare(s[i]) {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}

// readOwner reads the key of a record (DESIGN 4, rule 1). Why says what is wrong with it.
func (z *zone) readOwner(s string) (name zones.Name, why, hint string) {
	if s == "@" {
		return z.src.Origin, "", ""
	}
	name, err := zones.ParseName(s)
	if err != nil {
		return "", say("owner %q: %s", s, err), ""
	}
	if endsInDot(s) {
		if !name.IsSubdomainOf(z.src.Origin) {
			return "", say("owner %q is not in zone %s", s, z.label), ""
		}
	} else {
		if name.Labels() > 1 && name.IsSubdomainOf(z.src.Origin) && z.src.Origin != zones.Root {
			return "", say("owner %q ends in the zone's name, but owners are relative to it", s),
				fmt.Sprintf("write %q, or %q if it stands below the zone's name twice", ownerText(name, z.src.Origin), s+"."+z.src.Origin.String())
		}
		if name, err = name.Append(z.src.Origin); err != nil {
			return "", say("owner %q: %s", s, err), ""
		}
	}
	for i, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "*" && i > 0 {
			return "", say("owner %q: * is a wildcard only as the first label", s), `a label that is an asterisk and no wildcard is written '\*'`
		}
	}
	return name, "", ""
}

// endsInDot reports whether the name ends in a dot that is not escaped.
func endsInDot(s string) bool {
	rest, ok := strings.CutSuffix(s, ".")
	return ok && (len(rest)-len(strings.TrimRight(rest, `\`)))%2 == 0
}

// relative reads a name by rule 2 of DESIGN 4.
func (z *zone) relative(s string) (name zones.Name, why, hint string) {
	wire, err := nameScope{origin: string(z.src.Origin), mode: StrictNames}.appendName(nil, s)
	if err == nil {
		name, _, err = zones.NameFromWire(wire)
	}
	if err != nil {
		var re *rdataError
		if errors.As(err, &re) {
			hint = re.Hint
		}
		return "", err.Error(), hint
	}
	return name, "", ""
}

// name stores a domain name.
func (z *zone) name(v *Value, into *zones.Name) bool {
	var s string
	if !v.Text(&s) {
		return false
	}
	if z.src.Origin == "" {
		return false
	}
	name, why, hint := z.relative(s)
	if why != "" {
		v.Error(hint, "%s", why)
		return false
	}
	lintName(v.Warn, s)
	*into = name
	return true
}

// mailbox stores an rname: a name, or an address of mail.
func (z *zone) mailbox(v *Value, into *zones.Name) {
	s, _ := v.scalar()
	user, domain, isMail := strings.Cut(s, "@")
	if !isMail || s == "@" {
		z.name(v, into)
		return
	}
	name, err := zones.ParseName(strings.ReplaceAll(user, ".", `\.`) + "." + domain)
	if err != nil || user == "" || domain == "" || strings.ContainsAny(s, " \t") || strings.Contains(domain, "@") {
		v.Error(`write "USER@DOMAIN"`, "%q is not an address of mail", s)
		return
	}
	*into = name
}

// readRecord reads what stands at one owner.
func (z *zone) readRecord(o *owner) {
	t := o.table
	ttl := z.ttl
	ttlAt, check := t.Get("ttl"), t.Get("check")
	if check == nil && ttlAt.TTL(&ttl) && !slices.ContainsFunc(t.Fields(), func(f *Value) bool { _, ok := ParseType(f.Name); return ok || f.Name == aliasKey }) {
		if t.Get("pool") == nil && t.Get("rules") == nil {
			ttlAt.KeyError(`add records, as A = "192.0.2.1"`, "ttl has no effect: there is nothing else here")
		} else {
			ttlAt.KeyError("write it in the pool", "ttl has no effect: the pool's counts")
		}
	}
	for _, f := range t.Fields() {
		typ, ok := ParseType(f.Name)
		if !ok || check != nil && (f.Name == "A" || f.Name == "AAAA") {
			continue
		}
		if typ == typeSOA {
			f.KeyError("write soa = { ... } at the top", "the SOA is not a record here")
			continue
		}
		if o.set(typ) != nil {
			f.KeyError("", "%s is there twice: see %s in line %d", FormatType(typ), o.set(typ).at.Name, o.set(typ).at.line())
			continue
		}
		z.readSet(o, typ, f, ttl)
	}
	if check != nil {
		z.readShorthand(o)
	} else {
		z.readRoute(o)
	}
	ecs := t.Get("ecs")
	on := false
	z.readAlias(o, ttl)
	o.linkHosts()
	if ecs.Flag(&on) {
		if o.dynamic == nil || o.dynamic.Alias != "" {
			ecs.KeyError("", "ecs is for records with pools or rules")
		} else {
			o.dynamic.ECS = on
		}
	}
}

// readRoute reads `pool` and `rules`.
func (z *zone) readRoute(o *owner) {
	t := o.table
	for _, key := range poolKeys {
		if v := t.Get(key); v != nil && key != "ttl" {
			v.KeyError("write it in [pools], or add `check` to make a pool of this record", "%q is a key of pools", key)
		}
	}
	pool, rules := t.Get("pool"), t.Get("rules")
	switch {
	case pool != nil && rules != nil:
		rules.KeyError("", "has both pool and rules")
	case pool != nil:
		var name string
		if pool.Text(&name) {
			o.dynamic = &zones.Dynamic{Owner: o.name, Rules: []zones.Rule{{Pool: name}}}
			o.pools = []*Value{pool}
		}
	case rules != nil:
		z.readRules(o, rules)
	}
}

// readShorthand makes a pool of the owner's addresses (DESIGN 4, rule 7).
func (z *zone) readShorthand(o *owner) {
	t := o.table
	p := &pool{Pool: zones.Pool{Name: o.text(z)}, at: o.at, table: t, shorthand: true}
	for _, key := range []string{"pool", "rules"} {
		if v := t.Get(key); v != nil {
			v.KeyError("a record has a check of its own, or a pool that has one", "has both check and %s", key)
			return
		}
	}
	if t.Get("A") == nil && t.Get("AAAA") == nil {
		t.Get("check").KeyError("a live CNAME is a pool of targets with `cname`", "check needs A or AAAA beside it")
		return
	}
	if !goodName(p.Name) {
		o.at.KeyError("write a pool with a name of its own", "%q cannot be the name of a pool", p.Name)
		return
	}
	if !z.fresh("pool", p.Name, o.at) {
		return
	}
	found := z.errorCount()
	z.readPoolKeys(p, policy.AllKind)
	addrs := map[netip.Addr]bool{}
	for _, key := range []string{"A", "AAAA"} {
		z.readLiveAddresses(p, t.Get(key), key, addrs)
	}
	if p.broken = z.errorCount() > found; !p.broken {
		z.lintMembers(p)
	}
	z.addPool(p)
	o.dynamic = &zones.Dynamic{Owner: o.name, Rules: []zones.Rule{{Pool: p.Name}}}
	o.pools = []*Value{o.at}
}

func (z *zone) readLiveAddresses(p *pool, v *Value, key string, addrs map[netip.Addr]bool) {
	if v == nil {
		return
	}
	if v.kind == tableKind {
		v.Error("write ttl beside the check", "%s with a check has the TTL of the pool", key)
		return
	}
	if len(v.List()) == 0 {
		v.Error("", "%s is empty", key)
	}
	for i, item := range v.List() {
		var a addrData
		if !item.Addr(&a.Addr) {
			continue
		}
		if a.typeName() != key {
			item.Error(fmt.Sprintf("write it under %s", a.typeName()), "%s is not an address for %s", a, key)
			continue
		}
		if addrs[a.Addr] {
			item.Error("", "%s is there twice", a)
			continue
		}
		item.lintTarget(a.Addr)
		addrs[a.Addr] = true
		p.Members = append(p.Members, zones.Member{Name: a.String(), Priority: i, Weight: 1, Addrs: []zones.MemberAddr{{Addr: a.Addr}}})
		p.members = append(p.members, member{at: item, addrs: []*Value{item}})
	}
}

// addrData is an address as rdata.
type addrData struct{ netip.Addr }

func (a addrData) rrtype() uint16 {
	if a.Is4() {
		return typeA
	}
	return typeAAAA
}

func (a addrData) typeName() string { return FormatType(a.rrtype()) }

// readSet reads the records of one type.
func (z *zone) readSet(o *owner, typ uint16, v *Value, ttl uint32) {
	set := &rrset{RRset: zones.RRset{Owner: o.name, Type: typ, TTL: ttl}, at: v}
	data := v
	if v.kind == tableKind && !isHostPool(typ, v) {
		t := v.Table(v.Name+" of "+v.where, dataKeys)
		t.Get("ttl").TTL(&set.TTL)
		if data = t.Get("data"); data == nil {
			t.Error(`write { ttl = "1d", data = [...] }`, "has no data")
		}
	}
	if data != nil && len(data.List()) == 0 {
		data.Error("", "%s is empty", v.Name)
	}
	o.sets = append(o.sets, set) // even if there is nothing good in it: the type is spoken for
	size := messageRoom(o.name)
	for _, item := range data.List() {
		if isHostPool(typ, item) {
			z.readHostPool(set, item)
			continue
		}
		var s string
		if !item.Text(&s) {
			continue
		}
		rdata, err := z.rdata(typ, s)
		if err != nil {
			item.rdataError(s, err)
			continue
		}
		if size >= 0 && size < len(rdata)+recordHead {
			item.Warn("over TCP it is cut off as well", "with this record %s is larger than a message can be", v.Name)
		}
		size -= len(rdata) + recordHead
		switch typ {
		case typeCNAME, typeDNAME, typeNS:
			lintName(item.Warn, strings.TrimSpace(s))
		}
		if addr, ok := netip.AddrFromSlice(rdata); ok && (typ == typeA || typ == typeAAAA) {
			item.lintAddress(addr)
		}
		set.add(item, rdata)
	}
	if ttl := v.sub("ttl"); ttl != nil && !isHostPool(typ, v) && len(set.hosts) > 0 && len(set.Rdata) == 0 {
		ttl.KeyError("write it in the pool", "ttl has no effect: the pool's counts")
	}
	if single := typ == typeCNAME || typ == typeDNAME; single && len(set.Rdata) > 1 {
		set.items[1].Error("", "a name has one %s", v.Name)
		set.Rdata, set.items = set.Rdata[:1], set.items[:1]
	}
}

// recordHead is what a record of an answer takes before its rdata: a pointer to the owner, type, class, TTL
// and length (RFC 1035 §4.1.3).
const recordHead = 12

// messageRoom is what a message has for the answer to a question: it is 65,535 bytes less its head, the
// question and an OPT record.
func messageRoom(owner zones.Name) int { return 65535 - 12 - (len(owner) + 4) - 11 }

// rdata reads the presentation form of a type; TXT is plain text unless it begins with a quote.
func (z *zone) rdata(typ uint16, s string) ([]byte, error) {
	if (typ == typeTXT || typ == typeSPF) && !strings.HasPrefix(s, `"`) {
		wire := plainText(s)
		if len(wire) > maxRdata {
			return nil, &rdataError{Text: fmt.Sprintf("text of %d octets: at most %d fit a record", len(s), maxPlain)}
		}
		return wire, nil
	}
	return ParseRdata(typ, s, z.src.Origin, StrictNames)
}

// rdataError reports an error in rdata, in the very place if the text stands in the file as it is.
func (v *Value) rdataError(s string, err error) {
	var re *rdataError
	if !errors.As(err, &re) {
		v.Error("", "%s", err)
		return
	}
	at := v.val
	if raw := v.doc.text[at.from:at.to]; re.Len > 0 && len(raw) == len(s)+2 && raw[1:len(raw)-1] == s &&
		utf8.ValidString(s[:min(re.Off, len(s))]) {
		at = span{at.from + 1 + re.Off, at.from + 1 + re.Off + re.Len}
	}
	v.doc.report(at, Error, v.text("%s", []any{re.Text}), re.Hint)
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
