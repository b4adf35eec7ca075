package zonefile

import (
	"fmt"
	"slices"
	"strings"

	"vitalns/zones"
)

// Included are the static records that a zone file takes from master files. They go straight to where they
// stay: nothing is kept of a record but an Entry until the zone is finished.
type included struct {
	*masterScanner
	made *zones.Builder
}

// readIncludes reads the master files that `include` names. What a master file says holds unless the zone
// file says otherwise: its SOA and its nameservers too.
func (z *zone) readIncludes() {
	v := z.root.Get("include")
	if v == nil {
		return
	}
	if v.kind == tableKind {
		v.wants("", "a string or a list of strings")
		return
	}
	var files []File
	size := zones.Size{}
	seen := map[string]*Value{}
	for _, item := range v.List() {
		var name string
		if !item.Text(&name) {
			continue
		}
		if first := seen[name]; first != nil {
			item.Error("", "include: %q is there twice: see line %d", name, first.line())
			continue
		}
		seen[name] = item
		text, ok := z.readFile(item, name)
		if !ok {
			continue
		}
		if strings.HasSuffix(name, ".toml") {
			item.Error("name it among the zones of the node file", "include: %q is no master file", name)
			continue
		}
		files = append(files, File{Path: item.beside(name), Text: text})
		measure(asText(text), len(z.src.Origin), &size)
	}
	in := &included{made: zones.NewBuilder(z.src.Origin, size)}
	in.masterScanner = newMasterScanner(in, z.src.Origin, z.opt.ReadFile)
	in.begin.last, in.begin.haveLast = z.ttl, true
	if z.root.Get("ttl") != nil {
		in.begin.standard, in.begin.haveStandard = z.ttl, true
	}
	z.in = in
	for _, f := range files {
		in.scan(f.Path, asText(f.Text))
	}
}

// measure adds to size what a master file is likely to hold, from above but for what it generates.
func measure(text string, origin int, size *zones.Size) {
	before := ""
	for len(text) > 0 {
		line := text
		if end := strings.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = ""
		}
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			continue
		}
		size.Records++
		size.RdataBytes += 2 + 4
		if owner := line[:end]; end > 0 && owner != before {
			before = owner
			size.Names++
			size.NameBytes += len(owner) + 1 + origin
		}
	}
}

func (in *included) name(owner int32) zones.Name { return in.made.Name(zones.OwnerID(owner)) }

func (in *included) owner(f *masterFile, name []byte, at token, _ int32) int32 {
	id, err := in.made.Owner(name)
	if err != nil {
		f.errorAt(at, "%v", err)
		return unreadable
	}
	return int32(id)
}

func (in *included) record(f *masterFile, r *masterRecord, ttl uint32, wire []byte) {
	e := zones.Entry{Owner: zones.OwnerID(f.owner), Type: r.typ, TTL: ttl, Place: f.base + uint32(r.at.off)}
	if err := in.made.Add(e, wire); err != nil {
		f.errorAt(r.at, "%v", err)
	}
}

// report returns what is wrong with the master files, and their paths.
func (in *included) report() (problems Problems, paths []string) {
	if in == nil {
		return nil, nil
	}
	for _, f := range in.files {
		paths = append(paths, f.path)
	}
	if len(paths) == 0 {
		return in.problems, nil
	}
	return append(in.problems, in.rest(paths[len(paths)-1])...), paths
}

// there is a place in a file, for people.
func (in *included) there(place uint32) string {
	f, off := in.at(place)
	line := f.lineAt(off)
	return fmt.Sprintf("%s:%d:%d", f.path, line, f.column(line, off))
}

// problemAt reports what is wrong with a record.
func (in *included) problemAt(e zones.Entry, severity Severity, hint, format string, args ...any) {
	f, off := in.at(e.Place)
	n := 1
	if t, _, err := scanToken(f.text, off); err == nil {
		n = t.len()
	}
	f.problem(severity, off, n, say(format, args...), hint)
}

// types yields the records of one name, type by type.
func (in *included) types(name zones.Name) [][]zones.Entry {
	if in == nil {
		return nil
	}
	id, ok := in.made.Find(name)
	if !ok {
		return nil
	}
	var all [][]zones.Entry
	for rest := in.made.At(id); len(rest) > 0; {
		n := zones.Group(rest)
		all = append(all, rest[:n])
		rest = rest[n:]
	}
	return all
}

// has reports whether a name exists in the master files, be it as an empty non-terminal.
func (in *included) has(name zones.Name) bool {
	if in == nil {
		return false
	}
	_, ok := in.made.Find(name)
	return ok
}

// owned returns what the zone file and master files have at a name, as far as the types go; nil where that
// is nothing.
func (z *zone) owned(name zones.Name) *owner {
	own := z.byName[name]
	sets := z.in.types(name)
	if len(sets) == 0 {
		return own
	}
	both := owner{name: name}
	if own != nil {
		both = *own
	}
	both.sets = slices.Clip(both.sets)
	for _, set := range sets {
		both.sets = append(both.sets, &rrset{RRset: zones.RRset{Owner: name, Type: set[0].Type}})
	}
	return &both
}

// set returns the records of one name and type.
func (in *included) set(name zones.Name, typ uint16) []zones.Entry {
	for _, set := range in.types(name) {
		if set[0].Type == typ {
			return set
		}
	}
	return nil
}
