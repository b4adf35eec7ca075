package zonefile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A zone with everything that is no static record.
const dynamicZone = `
zone = "example.com"
ttl  = "1h"
ns   = { ns1 = "192.0.2.53", ns2 = ["198.51.100.53", "2001:db8::53"] }

[checks.web]
type = "http"
host = "www.example.com"

[pools.web]
check   = "web"
targets = [
  { name = "lon", address = ["203.0.113.10", "2001:db8:10::10"] },
  { name = "fra", address = ["198.51.100.20", "2001:db8:20::20"] },
]

[pools.shares]
policy  = "weighted"
check   = "web"
ttl     = { min = "5s", max = "60s" }
targets = [
  { name = "a", address = "203.0.113.1", weight = 3 },
  { name = "b", address = "203.0.113.2", weight = 1 },
  { name = "c", address = "203.0.113.3", weight = 0 },
]

[pools.away]
check    = "web"
fallback = "shares"
targets  = [{ name = "only", address = "203.0.113.9", state = "down" }]

[pools.cdn]
check   = "web"
targets = [{ name = "a", cname = "x.a-cdn.example." }, { name = "b", cname = "x.b-cdn.example." }]

[records."@"]
MX = "10 mail"
ALIAS = "app"

[records.www]
pool = "web"

[records.app]
rules = [{ subnets = ["10.0.0.0/8"], pool = "shares" }, { pool = "web" }]

[records.shares]
pool = "shares"

[records.away]
pool = "away"

[records.cdn]
pool = "cdn"

[records.short]
ALIAS = { ttl = "10s", data = "www" }

[records.tocdn]
ALIAS = "www.example.net."

[records.mail]
A     = "192.0.2.25"
MX    = [{ pool = "exchangers" }, { pool = "spare", preference = 20 }, "90 mail"]

[records._sip]
SRV   = { pool = "exchangers", priority = 1, port = 5060 }

[pools.exchangers]
policy  = "weighted"
max_answers = 2
targets = [{ name = "a", cname = "a.mx.example." }, { name = "b", cname = "b.mx.example.", weight = 0 }, { name = "c", cname = "c.mx.example." }, { name = "d", cname = "d.mx.example." }]

[pools.spare]
targets = [{ name = "s", cname = "s.mx.example." }]

[records.plain]
A     = ["192.0.2.1", "192.0.2.2"]
AAAA  = "2001:db8::1"
TXT   = "beside it"
check = { type = "tcp", port = 80 }
`

// Pools are exported as what they answer when every target is up, and BIND loads that.
func TestExportPools(t *testing.T) {
	sources, problems := Load([]File{{Path: "example.com.toml", Text: []byte(dynamicZone)}}, Options{Apart: true})
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	exported := Export(sources[0])
	golden(t, "testdata/pools.exported", exported)
	file := filepath.Join(t.TempDir(), "example.com.zone")
	if err := os.WriteFile(file, exported, 0o666); err != nil {
		t.Fatal(err)
	}
	compareDumps(t, "export", scanText(t, exported, testOrigin), bindDump(t, testOrigin, file))
}

// Any master file that scans is imported, and if the zone loads it is exported with the same records.
func FuzzImport(f *testing.F) {
	for _, file := range masterFiles(f) {
		f.Add(readTestFile(f, file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if longNumber.Match(text) && slices.Contains(text, '$') {
			return
		}
		m, problems := scanMaster("fuzz", text, testOrigin, nil)
		imported, again := Import("fuzz", text, testOrigin, nil)
		if (imported == nil) != (problems.Errors() > 0) || again.Errors() != problems.Errors() {
			t.Fatalf("scan: %v\nimport: %v", problems, again)
		}
		if imported == nil {
			return
		}
		doc := Parse(File{Path: "fuzz.toml", Text: imported})
		if doc.root == nil {
			t.Fatalf("the import is no TOML: %v\n%s", doc.Problems(), imported)
		}
		sources, loading := Load([]File{{Path: "fuzz.toml", Text: imported}}, Options{})
		if loading.Errors() > 0 {
			return // records that cannot stand together
		}
		if m.ttlsOfSignaturesDiffer() {
			return
		}
		exported := Export(sources[0])
		back, problems := scanMaster("export", exported, testOrigin, nil)
		if len(problems) > 0 {
			t.Fatalf("%v\n%s\n%s", problems, imported, exported)
		}
		compareDumps(t, "export", back.dump(), m.dump())
		if t.Failed() {
			t.Logf("%s\n%s", imported, exported)
		}
	})
}

// ttlsOfSignaturesDiffer reports whether a zone file cannot have the TTLs that the signatures of some
// owner have.
func (m *master) ttlsOfSignaturesDiffer() bool {
	return slices.ContainsFunc(m.owners, func(o masterOwner) bool {
		ttls := map[uint16]uint32{}
		for _, set := range o.sets {
			if ttl, ok := ttls[set.typ]; ok && ttl != set.ttl {
				return true
			}
			ttls[set.typ] = set.ttl
		}
		return false
	})
}

// Exporting is deterministic, whatever the order of maps.
func TestExportIsDeterministic(t *testing.T) {
	text := readTestFile(t, "testdata/master/types.zone")
	export := func() string {
		imported, _ := Import("types.zone", text, testOrigin, nil)
		sources, problems := Load([]File{{Path: "types.toml", Text: imported}}, Options{})
		if problems.Errors() > 0 {
			t.Fatal(problems)
		}
		return string(imported) + string(Export(sources[0]))
	}
	first := export()
	for range 5 {
		if export() != first {
			t.Fatal("another text")
		}
	}
}
