package zonefile_test

import (
	"fmt"
	"testing"

	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// bulk is a zone file with a master file of so many names of one address each.
func bulk(names int) (file zonefile.File, opt zonefile.Options) {
	text := []byte("$TTL 3600\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n")
	for i := range names {
		text = fmt.Appendf(text, "h%07d A 10.%d.%d.%d\n", i, i>>16&255, i>>8&255, i&255)
	}
	opt.ReadFile = func(string) ([]byte, error) { return text, nil }
	return zonefile.File{Path: "bulk.toml", Text: []byte("zone = \"bulk.example\"\ninclude = [\"bulk.zone\"]\n")}, opt
}

// What a name of a large zone costs to load: time, memory while it is loaded, memory once it is.
func BenchmarkInclude(b *testing.B) {
	const names = 1_000_000
	file, opt := bulk(names)
	b.ReportAllocs()
	for b.Loop() {
		sources, problems := zonefile.Load([]zonefile.File{file}, opt)
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		set, err := zones.Compile(sources)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(set.Bytes())/names, "bytes/name")
	}
}
