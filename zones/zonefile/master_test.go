package zonefile

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vitalns/zones"
)

// openBeside opens files of testdata for $INCLUDE.
func openBeside(file string) ([]byte, error) { return os.ReadFile(file) }

// dump returns the records of a master as lines, sorted: what there is, whatever the spelling.
func (m *master) dump() []string {
	var lines []string
	for _, o := range m.owners {
		for _, set := range o.sets {
			for _, rdata := range set.rdata {
				lines = append(lines, recordLine(o.name, set.ttl, set.typ, rdata))
			}
		}
	}
	if s := m.soa; s != nil {
		lines = append(lines, fmt.Sprintf("%s %d SOA %+v", m.origin, s.TTL, *s))
	}
	slices.Sort(lines)
	return lines
}

func recordLine(owner zones.Name, ttl uint32, typ uint16, rdata []byte) string {
	return fmt.Sprintf("%s %d %s %s", owner, ttl, FormatType(typ), FormatRdata(typ, canonicalRdata(typ, rdata)))
}

// compareDumps reports the lines that only one side has.
func compareDumps(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if _, ok := slices.BinarySearch(want, line); !ok {
			t.Errorf("%s: only got  %s", what, line)
		}
	}
	for _, line := range want {
		if _, ok := slices.BinarySearch(got, line); !ok {
			t.Errorf("%s: only want %s", what, line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", what, len(got), len(want))
	}
}

// needTool skips the test where a program of a Debian package is missing; under CI=true it fails.
func needTool(t *testing.T, program, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/bin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package %s", program, pkg)
	}
	t.Skipf("needs the Debian package %s", pkg)
	return ""
}

// bindDump returns the records that BIND loads from a master file.
func bindDump(t *testing.T, origin zones.Name, file string) []string {
	t.Helper()
	cmd := exec.Command(needTool(t, "named-compilezone", "bind9-utils"), "-q", "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore", "-r", "ignore",
		"-s", "full", "-o", "-", origin.String(), filepath.Base(file))
	cmd.Dir = filepath.Dir(file)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("named-compilezone %s: %v\n%s%s", file, err, out.String(), errs.String())
	}
	m, problems := scanMaster("dump of "+file, out.Bytes(), origin, nil)
	if len(problems) > 0 {
		t.Fatalf("the dump of BIND: %v", problems)
	}
	return m.dump()
}

// masterFiles are the zones of testdata, all of example.com.
func masterFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/master/*.zone")
	if err != nil || len(files) == 0 {
		t.Fatalf("no zones: %v", err)
	}
	return files
}

func readTestFile(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The scanner finds in every zone the records that BIND finds.
func TestScanAsBIND(t *testing.T) {
	for _, file := range masterFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m, problems := scanMaster(file, readTestFile(t, file), testOrigin, openBeside)
			if problems.Errors() > 0 {
				t.Fatal(problems)
			}
			compareDumps(t, "scan", m.dump(), bindDump(t, testOrigin, file))
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" { // load_test.go has it
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := readTestFile(t, file); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// Every problem of a file is reported, in its place.
func TestScanProblems(t *testing.T) {
	const file = "testdata/master/bad.master"
	_, problems := scanMaster("bad.master", readTestFile(t, file), testOrigin, func(name string) ([]byte, error) {
		if name == "loop.master" {
			return []byte("$INCLUDE loop.master\n"), nil
		}
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	})
	var report bytes.Buffer
	if err := problems.Format(&report); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/master/bad.report", report.Bytes())
}

func TestScanWithoutSOA(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "no SOA record at example.com.",
		"@ 5 SOA a b 1 2 3 4 5\n":    "no NS record at example.com.",
		"@ 5 NS a\n":                 "no SOA record at example.com.",
		"@ 5 SOA a b 1 2 3 4 5\n(\n": `"(" without ")"`,
	} {
		_, problems := scanMaster("x", []byte(text), testOrigin, nil)
		if len(problems) == 0 || problems[0].Text != want {
			t.Errorf("%q: got %v, want %s", text, problems, want)
		}
	}
}

// Problems are bounded, and those left out are counted.
func TestScanBoundsProblems(t *testing.T) {
	_, problems := scanMaster("x", bytes.Repeat([]byte("a A 1.2.3\n"), 5000), testOrigin, nil)
	if len(problems) != maxProblems+1 || problems[maxProblems].Text != "4001 more errors" {
		t.Errorf("got %d problems, the last %v", len(problems), problems[len(problems)-1])
	}
}

// A path is relative to the file it stands in; where there is none, it is tried as it is written.
func TestIncludePaths(t *testing.T) {
	files := map[string]string{
		"etc/main":    "$TTL 5\n@ SOA a b 1 2 3 4 5\n@ NS a\n$INCLUDE sub/one\n$INCLUDE \"elsewhere/t\\119o\" x\n$INCLUDE /abs/three\n",
		"etc/sub/one": "one A 192.0.2.1\n$INCLUDE four\n", "etc/sub/four": "four A 192.0.2.4\n",
		"elsewhere/two": "two A 192.0.2.2\n", "/abs/three": "three A 192.0.2.3\n",
	}
	m, problems := scanMaster("etc/main", []byte(files["etc/main"]), testOrigin, func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, owner := range []string{"one", "four", "two.x", "three"} {
		name, _ := zones.ParseName(owner + ".example.com.")
		if m.find(name, typeA) == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestGenerateText(t *testing.T) {
	for _, row := range []struct {
		text string
		n    int64
		want string
	}{
		{"a$b", 7, "a7b"},
		{"$$", 7, `\$`},
		{`\$\\$`, 7, `\$\\7`},
		{"${3}", 7, "10"},
		{"${-8}", 7, "-1"},
		{"${-8,4}", 7, "-001"},
		{"${0,3}", 7, "007"},
		{"${0,3,x}", 255, "0ff"},
		{"${0,0,X}", 255, "FF"},
		{"${-1,0,x}", 0, "ffffffff"},
		{"${0,4,o}", 8, "0010"},
		{"${0,0,n}", 0x1f, "f.1"},
		{"${0,3,n}", 0x1f, "f.1"},
		{"${0,4,n}", 0x1f, "f.1."},
		{"${0,7,N}", 0x1f, "F.1.0.0"},
		{"${1}$", 7, "88"}, // as BIND has it
	} {
		g, err := parseGenerate(token{text: row.text})
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		if got := g.expand(row.n); got != row.want {
			t.Errorf("%s of %d: got %s, want %s", row.text, row.n, got, row.want)
		}
	}
	for _, text := range []string{"${", "${}", "${a}", "${1,2,3,4}", "${1,2,z}", "${1,256}", "${1,-1}", "${99999999999}"} {
		if _, err := parseGenerate(token{text: text}); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// fuzzOpen gives $INCLUDE a file that includes itself.
func fuzzOpen(name string) ([]byte, error) {
	if strings.HasSuffix(name, "self") {
		return []byte("$INCLUDE self\n A 192.0.2.1\n$INCLUDE self x\n"), nil
	}
	return nil, errors.New("no such file")
}

var longNumber = regexp.MustCompile(`[0-9]{4}`)

// Whatever is scanned: places lie in the file, and what is read is valid.
func FuzzScanMaster(f *testing.F) {
	for _, file := range append(masterFiles(f), "testdata/master/bad.master") {
		f.Add(readTestFile(f, file))
	}
	f.Add([]byte("$INCLUDE self\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(bytes.ToUpper(text), []byte("$GENERATE")) && longNumber.Match(text) {
			return // FuzzGenerate has the great ranges
		}
		m, problems := scanMaster("fuzz", text, testOrigin, fuzzOpen)
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line > lines && p.File == "fuzz" || p.Line > 0 && (p.Col < 1 || p.Width < 1) || p.Text == "" {
				t.Fatalf("problem %+v", p)
			}
		}
		for _, o := range m.owners {
			if !o.name.IsSubdomainOf(testOrigin) {
				t.Fatalf("owner %s", o.name)
			}
			for _, set := range o.sets {
				for _, rdata := range set.rdata {
					if rrTypes[set.typ].layout != "" && !validRdata(set.typ, rdata) {
						t.Fatalf("%s %s % x", o.name, FormatType(set.typ), rdata)
					}
				}
				if set.ttl > maxTTL {
					t.Fatalf("TTL %d", set.ttl)
				}
			}
		}
	})
}

// A $GENERATE makes as many records as its range says, or none.
func FuzzGenerate(f *testing.F) {
	f.Add("1-3", "a$", "192.0.2.$")
	f.Add("0-4294967295/1", "a$", "192.0.2.1")
	f.Add("0-2147483647/2147483647", "${-5,200,n}", "192.0.2.1")
	f.Add("5-6", "${0,63,d}", "${0,0,o}.${0,0,x}.0.0")
	f.Fuzz(func(t *testing.T, rng, owner, data string) {
		r, ok := parseRange(rng)
		if ok && (r.stop-r.start)/r.step > 1000 && (r.stop-r.start)/r.step < maxGenerated {
			return // takes its time
		}
		m, _ := scanMaster("fuzz", []byte("$TTL 5\n@ SOA a b 1 2 3 4 5\n@ NS a\n$GENERATE "+rng+" "+owner+" A "+data+"\n"), testOrigin, nil)
		if n := len(m.owners) - 1; ok && int64(n) > (r.stop-r.start)/r.step+1 {
			t.Fatalf("%d owners", n)
		}
	})
}

// A zone of a million records: hosts with two addresses each, a text and a mail exchanger.
func BenchmarkScanMaster(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("$TTL 3600\n@ SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ NS ns1\n")
	const hosts = 250_000
	for i := range hosts {
		fmt.Fprintf(&text, "host-%d A 192.0.2.%d\n\tAAAA 2001:db8::%x\n\tMX 10 mail%d\n\t600 TXT \"v=spf1 a:%d -all\"\n", i, i%256, i&0xffff, i%100, i)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		m, problems := scanMaster("bench", text.Bytes(), testOrigin, nil)
		if len(problems) > 0 || len(m.owners) != hosts+1 {
			b.Fatal(len(m.owners), problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N)/(4*hosts)*1e9, "ns/record")
}

// An RRset has one TTL, the least of those written (RFC 2181 §5.2), imported or included.
func TestLeastTTL(t *testing.T) {
	text := "$TTL 300\n@ SOA ns1 admin 1 2 3 4 5\n@ NS ns1.example.net.\na 100 TXT x\na 50 TXT y\nb TXT z\na 200 TXT z\n"
	imported, problems := Import("a.zone", []byte(text), testOrigin, nil)
	files := []File{
		{Path: "imported.toml", Text: imported},
		{Path: "including.toml", Text: []byte("zone = \"example.com\"\ninclude = \"a.zone\"\n")},
	}
	if len(problems) != 2 || problems.Errors() > 0 {
		t.Errorf("import: %v", problems)
	}
	for _, file := range files {
		sources, _ := Load([]File{file}, Options{ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
		if len(sources) != 1 {
			t.Fatalf("%s is not loaded", file.Path)
		}
		found := 0
		for set := range sources[0].Records.All() {
			if set.Type == typeTXT && set.Owner == "\x01a"+testOrigin {
				found++
				if set.TTL != 50 || len(set.Rdata) != 3 {
					t.Errorf("%s: got %+v", file.Path, set)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d RRsets", file.Path, found)
		}
	}
}
