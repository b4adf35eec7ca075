package zonefile

import (
	"slices"

	"vitalns/zones"
)

// Load reads zone files. It returns the zones of the files that have no errors, in the order of the
// files, and every problem of every file in order of file and line.
func Load(files []File, opt Options) ([]*zones.Source, Problems) {
	var problems Problems
	var good []*zone
	var paths []string
	before := map[*Doc]int{}
	for _, d := range opt.Templates.docs() {
		before[d] = len(d.problems)
	}
	docs := make([]*Doc, len(files))
	origins := map[zones.Name]*zone{}
	for i, f := range files {
		paths = append(paths, f.Path)
		docs[i] = Parse(f)
		if docs[i].root == nil {
			continue
		}
		z := readZone(docs[i], opt)
		if z == nil {
			continue
		}
		found, names := z.in.report()
		problems, paths = append(problems, found...), append(paths, names...)
		if first := origins[z.src.Origin]; first != nil {
			z.root.Get("zone").Error("", "zone %s is in %s already", z.label, first.doc.Path)
			continue
		}
		origins[z.src.Origin] = z
		good = append(good, z)
	}
	good = slices.DeleteFunc(good, (*zone).hasErrors)
	settle(good)
	if len(good) == len(files) {
		lintAliases(good, opt.Apart)
		good = slices.DeleteFunc(good, (*zone).hasErrors)
	}
	for _, d := range docs {
		problems = append(problems, d.Problems()...)
	}
	for _, d := range opt.Templates.docs() {
		paths = append(paths, d.Path)
		for _, p := range d.problems[before[d]:] {
			if !slices.Contains(d.problems[:before[d]], p) {
				problems = append(problems, p)
			}
		}
		problems = append(problems, d.rest(d.Path)...)
	}
	sources := make([]*zones.Source, len(good))
	for i, z := range good {
		sources[i] = z.src
	}
	return sources, problems.Sort(paths)
}

// finish puts the parts of the zone into its Source.
func (z *zone) finish() {
	var b *zones.Builder
	if z.in != nil {
		b = z.in.made
	} else {
		b = zones.NewBuilder(z.src.Origin, zones.Size{})
	}
	for _, o := range z.owners {
		z.pack(b, o)
	}
	var err error
	if z.src.Records, err = b.Build(); err != nil {
		z.root.Get("zone").Error("", "%v", err)
	}
	for _, p := range z.pools {
		z.src.Pools = append(z.src.Pools, p.Pool)
	}
	z.src.Content = z.digest()
}

// pack puts what stands at an owner into its place.
func (z *zone) pack(b *zones.Builder, o *owner) {
	id, err := b.Owner([]byte(o.name))
	for _, set := range o.sets {
		if len(set.hosts) > 0 {
			continue // they are the Dynamic's
		}
		for _, rdata := range set.Rdata {
			if err == nil {
				err = b.Add(zones.Entry{Owner: id, Type: set.Type, TTL: set.TTL}, rdata)
			}
		}
	}
	if err != nil {
		o.at.Error("", "%v", err)
		return
	}
	if o.dynamic != nil {
		b.AddDynamic(id, len(z.src.Dynamic))
		z.src.Dynamic = append(z.src.Dynamic, *o.dynamic)
	}
}
