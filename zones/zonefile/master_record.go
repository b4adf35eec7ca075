package zonefile

import (
	"encoding/binary"
	"strings"

	"vitalns/zones"
)

const (
	typeSIG = 24

	maxTTL = 1<<31 - 1 // RFC 2181 §8
)

// record reads OWNER [TTL] [CLASS] TYPE RDATA, with TTL and class in either order. blank says that the
// line has no owner: it is that of the record before.
func (f *masterFile) record(toks []token, blank bool) {
	first := toks[0]
	if !blank {
		f.owner, toks = f.readOwner(first.text, first, f.note), toks[1:]
	} else if f.owner == noOwner {
		f.errorAt(first, "a record without an owner, and none before it")
	}
	if f.owner < 0 {
		return
	}
	var ok bool
	if f.rec, ok = f.readHead(toks, first); ok {
		f.add(&f.rec)
	}
}

// A masterRecord is a record whose rdata is still text.
type masterRecord struct {
	typ    uint16
	ttl    uint32
	hasTTL bool
	at     token // its type, for what is wrong with all of it
	rdata  rdataReader
	made   string // what the rdata was made for; "" where it stands in the file
}

// Owners that are no index. Records of the last two are skipped.
const (
	noOwner    = -1 - iota // none yet
	unreadable             // reported
	outside                // out of the zone: reported
)

// readOwner returns the index of an owner, or why there is none. at is where it stands, note where it is
// from.
func (f *masterFile) readOwner(text string, at token, note int32) int32 {
	wire, err := nameScope{origin: f.origin}.appendName(f.name[:0], text)
	if err != nil {
		f.rdataProblem(err, at)
		return unreadable
	}
	f.name = wire
	lowerBytes(wire)
	if !below(wire, f.zone) {
		f.warnAt(at, "%s is out of the zone and left out", nameText(string(wire)))
		return outside
	}
	return f.keep.owner(f, wire, at, note)
}

// below reports whether a name in canonical wire form is zone or below it.
func below(name []byte, zone zones.Name) bool {
	cut := len(name) - len(zone)
	if cut < 0 || string(name[cut:]) != string(zone) {
		return false
	}
	at := 0
	for at < cut {
		at += 1 + int(name[at])
	}
	return at == cut
}

// readHead reads a record from the TTL on.
func (f *masterFile) readHead(toks []token, at token) (r masterRecord, ok bool) {
	var hasClass bool
	for ; len(toks) > 0; toks = toks[1:] {
		t := toks[0]
		if t.quoted {
			break
		}
		if !hasClass && isClass(t.text) {
			if !strings.EqualFold(t.text, "IN") && !strings.EqualFold(t.text, "CLASS1") {
				f.errorAt(t, "class %s: a zone is of class IN", t.text)
				return r, false
			}
			hasClass = true
			continue
		}
		if ttl, isTTL := parseSeconds(t.text); isTTL && !r.hasTTL {
			r.ttl, r.hasTTL = f.limitTTL(ttl, t), true
			continue
		}
		break
	}
	if len(toks) == 0 {
		f.errorAt(at, "a record without a type")
		return r, false
	}
	r.at = toks[0]
	if r.typ, ok = parseAnyType(r.at.text); !ok || r.at.quoted {
		if !r.at.quoted && strings.Trim(r.at.text[:1], "+-0123456789") == "" {
			f.problem(Error, r.at.off, r.at.len(), say("%q is not a TTL", r.at.text), "a TTL is from 0 to 2147483647 seconds, and stands once")
			return r, false
		}
		hint := "a type without a name is written TYPEnnn, its data \\# LENGTH HEX"
		if t := strings.ToUpper(r.at.text); t == aliasKey || t == "ANAME" {
			hint = "no master file has it: take it out, and write ALIAS in the zone file"
		}
		f.problem(Error, r.at.off, r.at.len(), "unknown type "+quote(r.at.text), hint)
		return r, false
	}
	end := r.at.off + r.at.len()
	if n := len(toks); n > 1 {
		end = toks[n-1].off + toks[n-1].len()
	}
	r.rdata = rdataReader{toks: toks[1:], end: end, names: nameScope{origin: f.origin}}
	return r, true
}

func isClass(s string) bool {
	switch len(s) {
	case 2:
		return strings.EqualFold(s, "IN") || strings.EqualFold(s, "CH") || strings.EqualFold(s, "HS") || strings.EqualFold(s, "CS")
	case 6, 7, 8, 9, 10:
		return strings.EqualFold(s[:5], "CLASS") && strings.Trim(s[5:], "0123456789") == ""
	}
	return false
}

func (f *masterFile) limitTTL(ttl uint32, at token) uint32 {
	if ttl > maxTTL {
		f.warnAt(at, "TTL %d is more than %d and counts as 0 (RFC 2181)", ttl, maxTTL)
		return 0
	}
	return ttl
}

// add reads the rdata of a record of the current owner and keeps it.
func (f *masterFile) add(r *masterRecord) bool {
	wire, err := r.rdata.read(r.typ, f.rdata[:0])
	if err != nil {
		if r.made != "" {
			err = &rdataError{Text: r.made + err.Error()}
		}
		f.rdataProblem(err, r.at)
		return false
	}
	f.rdata = wire
	ttl, ok := f.ttlOf(r, wire)
	if !ok {
		return false
	}
	if r.typ == typeSOA {
		return f.addSOA(r, ttl, wire)
	}
	f.keep.record(f, r, ttl, wire)
	return true
}

// ttlOf returns the TTL that a record has or gets.
func (f *masterFile) ttlOf(r *masterRecord, wire []byte) (uint32, bool) {
	t := &f.ttl
	switch {
	case r.hasTTL:
		t.before, t.haveBefore = r.ttl, true
		return r.ttl, true
	case t.haveStandard:
		t.before, t.haveBefore = t.standard, true
		return t.standard, true
	case t.haveBefore:
		return t.before, true
	case r.typ == typeSOA:
		t.standard, t.haveStandard = min(binary.BigEndian.Uint32(wire[len(wire)-4:]), maxTTL), true
		f.warnAt(r.at, "no TTL: the minimum of the SOA is used, %d", t.standard)
		return t.standard, true
	}
	if t.haveLast {
		return t.last, true
	}
	f.problem(Error, r.at.off, r.at.len(), "no TTL", "begin the file with $TTL")
	return 0, false
}

func (f *masterFile) addSOA(r *masterRecord, ttl uint32, wire []byte) bool {
	if owner := f.keep.name(f.owner); owner != f.zone {
		f.errorAt(r.at, "SOA at %s, not at the apex %s", owner, f.zone)
		return false
	}
	soa := parseSOA(wire)
	soa.TTL = ttl
	if f.soa != nil {
		if *f.soa != soa {
			f.errorAt(r.at, "a second SOA")
			return false
		}
		f.warnAt(r.at, "the SOA is there already")
		return true
	}
	f.soa, f.soaAt = &soa, f.base+uint32(r.at.off)
	return true
}

func parseSOA(wire []byte) zones.SOA {
	mname, n, _ := zones.NameFromWire(wire)
	rname, m, _ := zones.NameFromWire(wire[n:])
	u := func(i int) uint32 { return binary.BigEndian.Uint32(wire[n+m+4*i:]) }
	return zones.SOA{MName: mname, RName: rname, Serial: u(0), Refresh: u(1), Retry: u(2), Expire: u(3), Minimum: u(4)}
}
