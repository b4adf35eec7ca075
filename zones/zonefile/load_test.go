package zonefile_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// load loads the TOML files of an archive. The file node.toml is a node file, whose checks are
// templates; "cluster" in the archive's comment gives the node two peers, "apart" zones
// that are not among the files.
func load(a *txtar.Archive) ([]*zones.Source, zonefile.Problems) {
	opt := zonefile.Options{Env: &probe.Env{}, Nodes: 1}
	if strings.Contains(string(a.Comment), "\ncluster\n") {
		opt.Cluster, opt.Nodes = true, 3
	}
	opt.Apart = strings.Contains(string(a.Comment), "\napart\n")
	content := map[string][]byte{}
	var files []zonefile.File
	var problems zonefile.Problems
	for _, f := range a.Files {
		content[f.Name] = f.Data
		switch {
		case f.Name == "node.toml":
			doc := zonefile.Parse(zonefile.File{Path: f.Name, Text: f.Data})
			opt.Templates = zonefile.ReadTemplates(doc.Root(zonefile.Keys{Names: []string{"checks"}}).Get("checks"))
			problems = doc.Problems()
		case strings.HasSuffix(f.Name, ".toml"):
			files = append(files, zonefile.File{Path: f.Name, Text: f.Data})
		}
	}
	opt.ReadFile = func(path string) ([]byte, error) {
		if data, ok := content[filepath.ToSlash(path)]; ok {
			return data, nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	sources, found := zonefile.Load(files, opt)
	return sources, append(problems, found...)
}

// golden runs a test on each archive of a directory and holds what it makes against the archive's last
// file, "want".
func golden(t *testing.T, dir string, least int, run func(t *testing.T, a *txtar.Archive) string) {
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) < least {
		t.Fatalf("%d archives in %s, want at least %d (%v)", len(paths), dir, least, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if last := len(a.Files) - 1; last >= 0 && a.Files[last].Name == "want" {
				want = string(a.Files[last].Data)
				a.Files = a.Files[:last]
			}
			got := run(t, a)
			if again := run(t, a); again != got {
				t.Fatalf("two runs differ:\n%s\n%s", got, again)
			}
			if got == want {
				return
			}
			if !*update {
				t.Fatalf("got:\n%s\nwant:\n%s", got, want)
			}
			a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func report(ps zonefile.Problems) string {
	var b bytes.Buffer
	_ = ps.Format(&b) // a buffer takes everything
	return b.String()
}

// Each archive of testdata/bad has one idea of what can be wrong, and the whole report on it.
func TestBad(t *testing.T) {
	golden(t, "bad", 60, func(t *testing.T, a *txtar.Archive) string {
		sources, problems := load(a)
		if len(problems) == 0 {
			t.Error("no problem found")
		}
		if bad := problems.Errors() > 0; bad && len(sources) == len(a.Files) {
			t.Error("a file with errors is loaded")
		}
		return report(problems)
	})
}

// Each archive of testdata/good shows one thing that a zone file can say, and what becomes of it.
func TestGood(t *testing.T) {
	golden(t, "good", 15, func(t *testing.T, a *txtar.Archive) string {
		sources, problems := load(a)
		if problems.Errors() > 0 {
			t.Error("errors in a good file")
		}
		if _, err := zones.Compile(sources); err != nil {
			t.Errorf("compile: %v", err)
		}
		var b strings.Builder
		if len(problems) > 0 {
			b.WriteString(report(problems))
		}
		for _, src := range sources {
			draw(&b, src)
		}
		return b.String()
	})
}

// draw writes a Source as text, without digests.
func draw(b *strings.Builder, src *zones.Source) {
	fmt.Fprintf(b, "zone %s\n", src.Origin)
	soa := src.SOA
	fmt.Fprintf(b, "  soa %s %s serial %d refresh %d retry %d expire %d minimum %d ttl %d\n", soa.MName, soa.RName, soa.Serial,
		soa.Refresh, soa.Retry, soa.Expire, soa.Minimum, soa.TTL)
	for set := range src.Records.All() {
		for _, rdata := range set.Rdata {
			fmt.Fprintf(b, "  %s %d %s %s\n", set.Owner, set.TTL, zonefile.FormatType(set.Type), zonefile.FormatRdata(set.Type, rdata))
		}
	}
	for _, o := range src.Dynamic {
		fmt.Fprintf(b, "  %s", o.Owner)
		if o.ECS {
			b.WriteString(" ecs")
		}
		if o.Alias != "" {
			fmt.Fprintf(b, " %d ALIAS %s", o.TTL, o.Alias)
		}
		for _, h := range o.Hosts {
			fmt.Fprintf(b, " %s", zonefile.FormatType(h.Type))
			for _, p := range h.Pools {
				fmt.Fprintf(b, " %d %d pool %s", p.Priority, p.Port, p.Pool)
			}
			for _, rdata := range h.Fixed {
				fmt.Fprintf(b, ", %d %s", h.TTL, zonefile.FormatRdata(h.Type, rdata))
			}
		}
		for _, r := range o.Rules {
			if len(r.Subnets) > 0 {
				fmt.Fprintf(b, " %v", r.Subnets)
			}
			fmt.Fprintf(b, " pool %s", r.Pool)
		}
		b.WriteByte('\n')
	}
	for _, p := range src.Pools {
		drawPool(b, p)
	}
	for _, w := range src.Watches {
		fmt.Fprintf(b, "  watch %s by %s: interval %v timeout %v fast %v fall %d rise %d clear %d quorum %s\n", target(w.Target), w.Check,
			w.Interval, w.Timeout, w.FastInterval, w.Fall, w.Rise, w.Clear, w.Quorum)
	}
}

func drawPool(b *strings.Builder, p zones.Pool) {
	fmt.Fprintf(b, "  pool %s: %s, ttl %d..%d", p.Name, p.Policy, p.TTL.Min, p.TTL.Max)
	if p.MaxAnswers > 0 {
		fmt.Fprintf(b, ", at most %d", p.MaxAnswers)
	}
	if p.MinHealthy != (zones.Share{N: 1}) {
		fmt.Fprintf(b, ", min_healthy %d", p.MinHealthy.N)
		if p.MinHealthy.Percent {
			b.WriteByte('%')
		}
	}
	if p.AllDownWritten {
		fmt.Fprintf(b, ", when_all_down %d", p.WhenAllDown)
	}
	if p.Fallback != "" {
		fmt.Fprintf(b, ", fallback %s", p.Fallback)
	}
	fmt.Fprintf(b, ", failback %s", [...]string{p.Failback.Hold.String(), "auto", "manual"}[p.Failback.Mode])
	if p.Linked {
		b.WriteString(", linked")
	}
	b.WriteByte('\n')
	for _, m := range p.Members {
		fmt.Fprintf(b, "    %s priority %d weight %d %s:", m.Name, m.Priority, m.Weight, m.Admin)
		if m.CNAME != "" {
			fmt.Fprintf(b, " %s%s", m.CNAME, need(m.Need))
		}
		for _, a := range m.Addrs {
			fmt.Fprintf(b, " %s%s", a.Addr, need(a.Need))
		}
		b.WriteByte('\n')
	}
}

func need(n zones.Need) string {
	if n.K == 0 {
		return ""
	}
	var of []string
	for _, t := range n.Of {
		of = append(of, target(t))
	}
	return fmt.Sprintf(" (%d of %s)", n.K, strings.Join(of, ", "))
}

func target(t checks.Target) string { return fmt.Sprintf("%s %s:%d", t.Probe.Type, t.Host, t.Port) }

// What a file means is summed up, not how it is written.
func TestContent(t *testing.T) {
	sum := func(text string) string {
		src, problems := zonefile.Load([]zonefile.File{{Path: "a.toml", Text: []byte(text)}}, zonefile.Options{Cluster: true})
		if len(src) != 1 {
			t.Fatal(report(problems))
		}
		return fmt.Sprintf("%x", src[0].Content)
	}
	base := `
zone = "example.com"
ttl = "1h"
ns = { ns1 = "192.0.2.53", ns2 = "192.0.2.54" }
[checks.web]
type = "http"
[pools.web]
check = "web"
ttl = 30
targets = [{ name = "a", address = "192.0.2.1" }, { name = "b", address = "192.0.2.2" }]
[records.www]
pool = "web"
[records.mx]
MX = ["10 mail.example.net.", "20 other.example.net."]
`
	for _, same := range []string{
		strings.Replace(base, `"1h"`, "3600", 1),
		strings.Replace(base, "ttl = 30", `ttl = "30s"`, 1),
		strings.Replace(base, `type = "http"`, "fall = 3\ntype = 'http' # the default", 1),
		strings.Replace(base, `["10 mail.example.net.", "20 other.example.net."]`, `["20 OTHER.example.net.", "10  mail.example.net."]`, 1),
		strings.Replace(base, "[records.www]", "[records.\"WWW.example.com.\"]", 1),
		strings.Replace(strings.Replace(base, "[records.www]\npool = \"web\"\n", "", 1), "[checks.web]", "[records.www]\npool = \"web\"\n[checks.web]", 1),
	} {
		if sum(same) != sum(base) {
			t.Errorf("another sum, the same meaning:\n%s", same)
		}
	}
	sums := []string{sum(base)}
	for _, change := range [][2]string{
		{`"1h"`, `"2h"`}, {"ttl = 30", "ttl = 31"}, {`type = "http"`, `type = "http"` + "\npath = \"/x\""}, {`type = "http"`, `type = "http"` + "\nfall = 4"},
		{`"a", address`, `"c", address`}, {"192.0.2.1\"", "192.0.2.3\""}, {"10 mail", "11 mail"}, {"[records.www]", "[records.xxx]"},
		{"ttl = 30", "ttl = 30\nlinked = true"}, {"ttl = 30", "ttl = 30\nwhen_all_down = \"serve-all\""}, {`"b", address`, `"b", state = "drain", address`},
	} {
		s := sum(strings.Replace(base, change[0], change[1], 1))
		if slices.Contains(sums, s) {
			t.Errorf("the same sum after %q became %q", change[0], change[1])
		}
		sums = append(sums, s)
	}
}

// FuzzLoad: no panic, and every problem stands inside its file.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"bad", "good"} {
		paths, _ := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
		for _, path := range paths {
			a, err := txtar.ParseFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range a.Files {
				if strings.HasSuffix(file.Name, ".toml") {
					f.Add(string(file.Data))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 1000 {
			return // how deep TOML may nest is the decoder's business
		}
		file := zonefile.File{Path: "x.toml", Text: []byte(text)}
		sources, problems := zonefile.Load([]zonefile.File{file}, zonefile.Options{})
		if (len(sources) == 1) != (problems.Errors() == 0) {
			t.Fatalf("%d zones and %d errors", len(sources), problems.Errors())
		}
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		for _, p := range problems {
			if p.Line < 1 || p.Line > len(lines) {
				t.Fatalf("line %d of %d: %s", p.Line, len(lines), p.Text)
			}
			if chars := len([]rune(lines[p.Line-1])); p.Col < 1 || p.Col > chars+1 || p.Width < 1 || p.Col+p.Width-1 > max(chars, p.Col) {
				t.Fatalf("line %d has %d characters: column %d, width %d: %s", p.Line, chars, p.Col, p.Width, p.Text)
			}
		}
		report(problems)
		again, _ := zonefile.Load([]zonefile.File{file}, zonefile.Options{})
		for i := range sources {
			if again[i].Content != sources[i].Content {
				t.Fatal("two loads differ")
			}
		}
	})
}
