package node

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// A Loader reads the configuration: `run`, `check`, `reload` and `plan` load the same way.
type Loader struct {
	Path  string   // of the node file; "": none
	Zones []string // files named on the command line
	Env   *probe.Env
	Apart bool // more zones than these may be served: what leads to another one is no error
}

// Loaded is a configuration as it was read. With errors among the problems nothing else in it is to be
// used.
type Loaded struct {
	File     *File // defaults where there is no node file
	Sources  []*zones.Source
	Set      *zones.Set
	Problems zonefile.Problems
	Digest   checks.Digest   // of what the zones hold and how it is judged
	Cookies  []checks.Secret // of the node file; none: those of the cluster
}

// Hex is the digest as people see it.
func (l Loaded) Hex() string { return digestText(l.Digest) }

func digestText(d checks.Digest) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(d))
	return hex.EncodeToString(b[:4])
}

// Watches are the watches of all zones.
func (l Loaded) Watches() []checks.Watch {
	var all []checks.Watch
	for _, s := range l.Sources {
		all = append(all, s.Watches...)
	}
	return all
}

// Load reads and checks all files.
func (ld Loader) Load() Loaded {
	from := reading{}
	f, problems, order := ld.file(from)
	l := Loaded{File: f}
	var files []zonefile.File
	paths := zonePaths(f, ld.Zones)
	if f.doc != nil {
		problems = append(problems, f.doc.Problems()...) // Sort drops what is there twice
	}
	for _, path := range paths {
		order = append(order, path)
		text, err := from.file(path)
		if err != nil {
			problems = append(problems, zonefile.Problem{File: path, Text: fileError(err), Hint: fileHint(err)})
			continue
		}
		files = append(files, zonefile.File{Path: path, Text: text})
	}
	nodes := 1
	if f.Cluster != nil {
		nodes = f.Cluster.Nodes
	}
	sources, found := zonefile.Load(files, zonefile.Options{Env: ld.Env, Templates: f.Checks, ReadFile: from.file, Apart: ld.Apart, Nodes: nodes, Cluster: f.Cluster != nil})
	problems = append(problems, found...)
	l.Problems = append(problems, from.overwritten()...).Sort(order)
	if l.Problems.Errors() > 0 {
		return l
	}
	set, err := zones.Compile(sources)
	if err != nil {
		l.Problems = append(l.Problems, zonefile.Problem{Text: err.Error()})
		return l
	}
	l.Sources, l.Set, l.Digest = sources, set, contentDigest(sources)
	return l
}

// file reads the node file, or makes one of defaults.
func (ld Loader) file(from reading) (*File, zonefile.Problems, []string) {
	if ld.Path == "" {
		f, _ := ParseFile("", nil)
		f.StateDir, f.Control = "", UserSocket()
		return f, nil, nil
	}
	text, err := from.file(ld.Path)
	if err != nil {
		f, _ := ParseFile("", nil)
		return f, zonefile.Problems{{File: ld.Path, Text: fileError(err), Hint: fileHint(err)}}, []string{ld.Path}
	}
	f, _ := ParseFile(ld.Path, text)
	return f, f.readSecrets(), []string{ld.Path}
}

// zonePaths are the files that the patterns of the node file match, and those named on the command line,
// each once. What is wrong with a pattern is reported in its place.
func zonePaths(f *File, named []string) []string {
	var paths []string
	for i, pattern := range f.Zones {
		found, err := filepath.Glob(pattern)
		switch {
		case err != nil:
			f.patterns[i].Error("* ? and [a-z] stand for parts of a name", "zones: pattern %q: %v", pattern, err)
		case len(found) == 0 && !strings.ContainsAny(pattern, `*?[\`):
			found = []string{pattern} // one file: that it is not there is an error, and a reload without it refused
		case len(found) == 0:
			f.patterns[i].Warn("", "zones: pattern %q matches no file", pattern)
		}
		slices.Sort(found)
		paths = append(paths, found...)
	}
	paths = append(paths, named...)
	seen := map[string]bool{}
	return slices.DeleteFunc(paths, func(p string) bool {
		again := seen[filepath.Clean(p)]
		seen[filepath.Clean(p)] = true
		return again
	})
}

// refuseNone makes it an error that no file is left where zones are served and the node file names some: what
// put the files there has failed more likely than that nothing is meant to be answered. An empty list says so.
func (l *Loaded) refuseNone(served int) {
	if l.Problems.Errors() > 0 || len(l.Sources) > 0 || len(l.File.patterns) == 0 {
		return
	}
	l.File.patterns[0].Error("put the files back; if nothing is to be answered any more, write zones = []",
		"zones: no file is left, and every zone that is served (%d) would be gone", served)
	l.Problems = append(l.Problems, l.File.doc.Problems()...).Sort([]string{l.File.Path})
}

// contentDigest is equal on nodes that serve the same zones.
func contentDigest(sources []*zones.Source) checks.Digest {
	h := sha256.New()
	sorted := slices.Clone(sources)
	slices.SortFunc(sorted, func(a, b *zones.Source) int { return cmp.Compare(a.Origin, b.Origin) })
	for _, s := range sorted {
		h.Write([]byte(s.Origin))
		h.Write(s.Content[:])
	}
	return checks.Digest(binary.BigEndian.Uint64(h.Sum(nil)))
}
