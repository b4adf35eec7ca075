package zonefile_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// included loads a zone that is all in one master file.
func included(origin string, text []byte, open func(string) ([]byte, error)) ([]*zones.Source, zonefile.Problems) {
	file := zonefile.File{Path: "zone.toml", Text: fmt.Appendf(nil, "zone = %q\ninclude = \"master\"\n", origin)}
	return zonefile.Load([]zonefile.File{file}, zonefile.Options{ReadFile: func(path string) ([]byte, error) {
		if path == "master" {
			return text, nil
		}
		return open(path)
	}})
}

// What a master file holds is the same whether it is included or imported.
func TestIncludeIsImport(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.zone")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		origin := strings.TrimSuffix(filepath.Base(file), ".zone")
		switch {
		case filepath.Base(filepath.Dir(file)) == "master":
			origin = "example.com"
		case origin == "root":
			origin = "."
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		open := func(path string) ([]byte, error) {
			return os.ReadFile(filepath.Join(filepath.Dir(file), filepath.Base(path)))
		}
		name, err := zones.ParseName(origin)
		if err != nil {
			t.Fatal(err)
		}
		toml, problems := zonefile.Import("master", text, name, open)
		if problems.Errors() > 0 {
			t.Fatalf("%s: %s", file, report(problems))
		}
		imported, problems := zonefile.Load([]zonefile.File{{Path: "zone.toml", Text: toml}}, zonefile.Options{})
		if len(imported) == 0 {
			t.Fatalf("%s: %s", file, report(problems))
		}
		sources, problems := included(origin, text, open)
		if len(sources) == 0 {
			t.Fatalf("%s: %s", file, report(problems))
		}
		if sources[0].Content != imported[0].Content {
			t.Errorf("%s: included\n%s\nimported\n%s", file, zonefile.Export(sources[0]), zonefile.Export(imported[0]))
		}
	}
}

// Problems are bounded in number; what is more is counted behind them.
func TestIncludeManyProblems(t *testing.T) {
	sources, problems := included("example.com", bytes.Repeat([]byte("a A 1.2.3\n"), 5000), nil)
	if len(sources) > 0 || len(problems) != 1002 {
		t.Fatalf("%d sources, %d problems", len(sources), len(problems))
	}
	if last, want := problems[1001].Error(), `master: error: 4000 more errors`; last != want {
		t.Errorf("got %q, want %q", last, want)
	}
}

// A zone of many names is loaded into little memory, without garbage for each of them: what the store takes
// is counted by itself, what is allocated by the testing package.
func TestIncludeIsSmall(t *testing.T) {
	const names = 100_000
	file, opt := bulk(names)
	var set *zones.Set
	load := func() {
		sources, problems := zonefile.Load([]zonefile.File{file}, opt)
		if len(problems) > 0 {
			t.Fatal(report(problems))
		}
		var err error
		if set, err = zones.Compile(sources); err != nil {
			t.Fatal(err)
		}
	}
	if allocs := testing.AllocsPerRun(1, load); allocs > 500 {
		t.Errorf("%.0f allocations for %d names", allocs, names)
	}
	if b := float64(set.Bytes()) / names; b > 80 {
		t.Errorf("%.1f bytes a name", b)
	}
}

// FuzzInclude: no panic, and a zone that is loaded compiles, and is the same again from its export.
func FuzzInclude(f *testing.F) {
	for _, pattern := range []string{"testdata/master/*.zone", "testdata/master/bad.master"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	none := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	longNumber := regexp.MustCompile(`[0-9]{4}`)
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(bytes.ToUpper(text), []byte("$GENERATE")) && longNumber.Match(text) {
			return // FuzzGenerate has the great ranges
		}
		sources, problems := included("example.com", text, none)
		if (len(sources) == 1) != (problems.Errors() == 0) {
			t.Fatalf("%d zones and %d errors", len(sources), problems.Errors())
		}
		if len(sources) == 0 {
			return
		}
		if _, err := zones.Compile(sources); err != nil {
			t.Fatal(err)
		}
		again, problems := included("example.com", zonefile.Export(sources[0]), none)
		if len(again) != 1 || again[0].Content != sources[0].Content {
			t.Fatalf("the export is another zone: %s\n%s", report(problems), zonefile.Export(sources[0]))
		}
	})
}
