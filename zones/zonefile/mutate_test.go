package zonefile_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// token finds what a slip of the user may replace: keys, values, brackets.
var token = regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_]+|[\[\]{},=]`)

// Good files with slips in them: whatever is written, Load tells what is wrong with it, and what it lets
// pass compiles.
func TestSlips(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "good", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no good files", err)
	}
	var texts []string
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(a.Files[len(a.Files)-2].Data))
	}
	words := []string{`""`, `"x"`, `"*"`, `"."`, `"@"`, `"192.0.2.1"`, `"2001:db8::1"`, `"www"`, `"web"`, `"a.b"`, `"1h"`, `"50%"`, "0", "-1", "7", "99999999999",
		"1.5", "true", "[]", "{}", `["x", 5]`, `{ use = "web" }`, `{ all = ["web"] }`, `{ ttl = 5, data = "x" }`, "1979-05-27", `"failover"`, `"all"`, "A", "CNAME", "NS",
		"DNAME", "pool", "rules", "check", "ttl", "address", "cname", "extends", "fallback", "zone", "records"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(texts).Draw(t, "text")
		for range rapid.IntRange(1, 4).Draw(t, "slips") {
			places := token.FindAllStringIndex(text, -1)
			if len(places) == 0 {
				break
			}
			at := places[rapid.IntRange(0, len(places)-1).Draw(t, "place")]
			word := rapid.SampledFrom(words).Draw(t, "word")
			if rapid.Bool().Draw(t, "another's") { // a word from elsewhere in the file
				other := places[rapid.IntRange(0, len(places)-1).Draw(t, "other")]
				word = text[other[0]:other[1]]
			}
			text = text[:at[0]] + word + text[at[1]:]
		}
		sources, problems := zonefile.Load([]zonefile.File{{Path: "x.toml", Text: []byte(text)}}, zonefile.Options{})
		if (len(sources) == 1) != (problems.Errors() == 0) {
			t.Fatalf("%d zones and %d errors", len(sources), problems.Errors())
		}
		lines := strings.Split(text, "\n")
		for _, p := range problems {
			if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > len([]rune(lines[p.Line-1]))+1 || p.Text == "" {
				t.Fatalf("misplaced: %+v", p)
			}
		}
		if _, err := zones.Compile(sources); err != nil {
			t.Fatalf("compile: %v\n%s", err, text)
		}
	})
}
