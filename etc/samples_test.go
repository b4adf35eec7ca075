// Package etc_test holds the samples and the documents to what the program does.
package etc_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
	"vitalns/zones/policy"
	"vitalns/zones/zonefile"
)

var update = flag.Bool("update", false, "rewrite testdata")

// loadSamples reads etc/zones as a node of three does.
func loadSamples(t *testing.T) (map[string]*zones.Source, zonefile.Problems) {
	t.Helper()
	paths, err := filepath.Glob("zones/*.toml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("zones/*.toml: %d files, %v", len(paths), err)
	}
	var files []zonefile.File
	for _, path := range paths {
		files = append(files, zonefile.File{Path: path, Text: readFile(t, path)})
	}
	sources, problems := zonefile.Load(files, zonefile.Options{Env: new(probe.Env), ReadFile: os.ReadFile, Nodes: 3, Cluster: true})
	samples := map[string]*zones.Source{}
	for _, s := range sources {
		samples[filepath.Base(s.File)] = s
	}
	return samples, problems
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every sample loads without errors; the warnings are those that were looked at.
func TestSamples(t *testing.T) {
	samples, problems := loadSamples(t)
	var got strings.Builder
	if err := problems.Format(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/samples.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(readFile(t, golden)); got.String() != want {
		t.Errorf("problems of the samples:\n%s\nwant:\n%s", got.String(), want)
	}
	if problems.Errors() > 0 {
		return
	}
	var all []*zones.Source
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		all = append(all, samples[name])
	}
	if _, err := zones.Compile(all); err != nil {
		t.Errorf("compile: %v", err)
	}
}

func somePool(s *zones.Source, good func(zones.Pool) bool) bool {
	return slices.ContainsFunc(s.Pools, good)
}

func someRule(s *zones.Source, good func(zones.Rule) bool) bool {
	return slices.ContainsFunc(s.Dynamic, func(d zones.Dynamic) bool { return slices.ContainsFunc(d.Rules, good) })
}

func someRecord(s *zones.Source, typ uint16) bool {
	for set := range s.Records.All() {
		if set.Type == typ {
			return true
		}
	}
	return false
}

// What people set other programs up for has a sample each, which shows it.
func TestScenarios(t *testing.T) {
	samples, _ := loadSamples(t)
	scenarios := []struct {
		name, file string
		is         func(*zones.Source) bool
	}{
		{"a set filtered live", "minimal.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool { return p.Policy == policy.AllKind && len(p.Members) > 1 })
		}},
		{"active-passive web, failback held, adaptive TTL", "active-passive.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool {
				return p.Policy == policy.FailoverKind && p.Failback.Hold > 0 && p.TTL.Min < p.TTL.Max
			})
		}},
		{"weighted canary with health", "canary.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool {
				return p.Policy == policy.WeightedKind && slices.ContainsFunc(p.Members, func(m zones.Member) bool { return m.Weight == 1 })
			})
		}},
		{"regions that stand in for each other", "regions.toml", func(s *zones.Source) bool {
			return someRule(s, func(r zones.Rule) bool { return len(r.Subnets) > 0 }) &&
				somePool(s, func(p zones.Pool) bool { return p.Fallback != "" && p.MinHealthy.Percent })
		}},
		{"a database primary follows Patroni", "database.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool {
				return p.WhenAllDown == zones.NoData && p.Failback.Mode == zones.FailbackManual
			})
		}},
		{"ingress of two clusters: front and readiness", "ingress.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool { return len(p.Members) > 0 && p.Members[0].Addrs[0].Need.K == 2 })
		}},
		{"MX and SRV to names that are live", "mail.toml", func(s *zones.Source) bool {
			const mx, srv = 15, 33
			return someRecord(s, mx) && someRecord(s, srv) && len(s.Pools) > 1
		}},
		{"an apex that follows a pool", "apex.toml", func(s *zones.Source) bool {
			return slices.ContainsFunc(s.Dynamic, func(d zones.Dynamic) bool { return d.Alias != "" && d.Owner == s.Origin })
		}},
		{"exchangers and SIP servers that work", "exchangers.toml", func(s *zones.Source) bool {
			return slices.ContainsFunc(s.Dynamic, func(d zones.Dynamic) bool { return len(d.Hosts) > 0 && len(d.Hosts[0].Fixed) > 0 })
		}},
		{"a CNAME to the content network that works", "cdn.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool { return p.Members[0].CNAME != "" })
		}},
		{"maintenance", "maintenance.toml", func(s *zones.Source) bool {
			return somePool(s, func(p zones.Pool) bool {
				return slices.ContainsFunc(p.Members, func(m zones.Member) bool { return m.Admin == checks.Drain })
			})
		}},
		{"a zone of another server, with one name made a pool", "migrated.toml", func(s *zones.Source) bool {
			return someRecord(s, 15) && s.SOA.Serial != 0 && s.Records.Len() > 20 && len(s.Pools) == 1
		}},
		{"an ordinary zone", "static.toml", func(s *zones.Source) bool { return len(s.Pools) == 0 && s.Records.RRsets() > 5 }},
	}
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			s := samples[sc.file]
			if s == nil {
				t.Fatalf("zones/%s does not load", sc.file)
			}
			if !sc.is(s) {
				t.Errorf("zones/%s does not show it", sc.file)
			}
			delete(samples, sc.file)
		})
	}
	for name := range samples {
		t.Errorf("zones/%s is of no scenario", name)
	}
}
