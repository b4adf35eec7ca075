package zonefile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"
)

// checkIndex holds the tree of places against the decoder: the same keys in the same order, and each
// scalar, cut out of the text and decoded by itself, has the value the tree gives it.
func checkIndex(t interface{ Fatalf(string, ...any) }, text string) {
	d := Parse(File{Path: "x.toml", Text: []byte(text)})
	var tree map[string]any
	md, err := toml.Decode(d.text, &tree)
	if err != nil || invalidUTF8(d.text) >= 0 {
		if d.root != nil || len(d.problems) != 1 {
			t.Fatalf("no TOML, but %d problems", len(d.problems))
		}
		inRange(t, d.text, d.problems[0])
		return
	}
	if text := problemText(d); strings.HasSuffix(text, " is there twice") || strings.HasSuffix(text, "may not be empty") {
		inRange(t, d.text, d.problems[0])
		return // the decoder lets some of these pass
	}
	if d.root == nil {
		t.Fatalf("%s\n%q", d.problems[0].Text, text)
	}
	type keyed struct {
		at   int
		path toml.Key
	}
	var keys []keyed
	var walk func(v *Value, path toml.Key)
	walk = func(v *Value, path toml.Key) {
		if v.written {
			keys = append(keys, keyed{v.key.from, slices.Clone(path)})
		}
		for _, f := range v.fields {
			walk(f, append(path, f.Name))
		}
		for _, item := range v.items {
			walk(item, path)
		}
		if v.kind == scalarKind {
			var one map[string]any
			if _, err := toml.Decode("x = "+d.text[v.val.from:v.val.to], &one); err != nil || !same(one["x"], v.data) {
				t.Fatalf("%v: place has %q: %v, tree has %v (%v)", path, d.text[v.val.from:v.val.to], one["x"], v.data, err)
			}
		}
	}
	walk(d.root, nil)
	slices.SortStableFunc(keys, func(a, b keyed) int { return a.at - b.at })
	var got []toml.Key
	for _, k := range keys {
		got = append(got, k.path)
	}
	if want := md.Keys(); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("keys of the index:\n%q\nof the decoder:\n%q\n%q", got, want, text)
	}
}

func problemText(d *Doc) string {
	if len(d.problems) == 0 {
		return ""
	}
	return d.problems[0].Text
}

// same compares two decoded scalars; NaN is itself here.
func same(a, b any) bool { return fmt.Sprintf("%T %#v", a, a) == fmt.Sprintf("%T %#v", b, b) }

// inRange checks that a problem stands inside its text.
func inRange(t interface{ Fatalf(string, ...any) }, text string, p Problem) {
	lines := strings.Split(text, "\n")
	if p.Line < 1 || p.Line > len(lines) {
		t.Fatalf("line %d of %d: %s", p.Line, len(lines), p.Text)
	}
	line := []rune(strings.TrimSuffix(lines[p.Line-1], "\r"))
	if p.Col < 1 || p.Col > len(line)+1 || p.Width < 1 || p.Width > max(1, len(line)-p.Col+1) {
		t.Fatalf("line %d has %d characters: column %d, width %d: %s", p.Line, len(line), p.Col, p.Width, p.Text)
	}
}

var indexSeeds = []string{
	"", "\ufeffa = 1", "a = 1\nb = 'x'\n", "[a]\nb = 1\n[a.c]\nd = 2\n[[e]]\nf = 1\n[[e]]\nf = 2\n[e.g]\nh = 3\n",
	"a.b.c = 1\na.b.d = 2\na.\"x y\".'z' = 3", "a = [1, [2, 3], { b = 1, c = [ { d = 2 }, {} ] }] # x\n",
	"a = {\n b = 1, # c\n c = 2,\n}\n", "a = \"\"\"\nx\"\"y\"\"\"\"\"\nb = '''x''y'''''\n", "a = \"\\\"\" # \"\nb = 'c:\\'\n",
	"d = 1979-05-27 07:32:00Z\ne = 1979-05-27\nf = 07:32:00\ng = 1979-05-27 # x\n", "[ a . 'b.c' . \"d\\u0041\" ]\n'' = 1\n",
	"a = +1.5e-3\nb = inf\nc = -nan\nd = 0xff_ff\n", "[a.b]\nx = 1\n[a]\ny = 2\n", "[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2\n[[a]]\n[[a.b]]\n",
	"a = 1\r\n[b]\r\nc = 2\r\n", "é = \"ü\" # ß\n\"é\".x = [\n 'ö',\n 1,\n]\n", "x = }", "[a\n", "a = 1\na = 2\n", "a\xff = 1", "a\x00 = 1",
	"x = [{a.b = 1, a.c = 2}, {a = {b = 3}}]", "\"\\e\\x41\" = 1\n",
}

func TestIndex(t *testing.T) {
	for _, text := range indexSeeds {
		checkIndex(t, text)
	}
}

func FuzzIndex(f *testing.F) {
	for _, text := range indexSeeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 1000 {
			return // how deep TOML may nest is the decoder's business
		}
		checkIndex(t, text)
	})
}

// Documents made from TOML's grammar, in all its spellings.
func TestIndexProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := tomlGen{t}
		var b strings.Builder
		for range rapid.IntRange(0, 4).Draw(t, "pairs") {
			b.WriteString(g.pair(2) + g.end())
		}
		for range rapid.IntRange(0, 5).Draw(t, "tables") {
			if rapid.Bool().Draw(t, "array") {
				b.WriteString("[[" + g.ws() + g.dotted() + "]]" + g.end())
			} else {
				b.WriteString("[" + g.ws() + g.dotted() + "]" + g.end())
			}
			for range rapid.IntRange(0, 3).Draw(t, "pairs") {
				b.WriteString(g.pair(2) + g.end())
			}
		}
		checkIndex(t, b.String())
	})
}

type tomlGen struct{ t *rapid.T }

func (g tomlGen) of(what string, choices ...string) string {
	return rapid.SampledFrom(choices).Draw(g.t, what)
}

func (g tomlGen) ws() string  { return g.of("ws", "", " ", "\t ") }
func (g tomlGen) nl() string  { return g.of("nl", "", " ", "\n", " # c ]}'\n\t", "\r\n") }
func (g tomlGen) end() string { return g.ws() + g.of("end", "\n", "\n\n", "# ü [x]\n", "\r\n") }

func (g tomlGen) dotted() string {
	key := g.part()
	for range rapid.IntRange(0, 2).Draw(g.t, "parts") {
		key += g.ws() + "." + g.ws() + g.part()
	}
	return key + g.ws()
}

func (g tomlGen) part() string {
	return g.of("key", "a", "b", "c", "a-1", "_", "3", `"a"`, `'b'`, `"x.y"`, `'x "y'`, `"\u00e9\""`, `"é"`, `""`)
}

func (g tomlGen) pair(depth int) string {
	return g.ws() + g.dotted() + "=" + g.ws() + g.value(depth)
}

func (g tomlGen) value(depth int) string {
	kinds := 3
	if depth == 0 {
		kinds = 1
	}
	switch rapid.IntRange(1, kinds).Draw(g.t, "kind") {
	case 2:
		s := "[" + g.nl()
		for range rapid.IntRange(0, 3).Draw(g.t, "items") {
			s += g.value(depth-1) + g.nl() + "," + g.nl()
		}
		return s + "]"
	case 3:
		s := "{" + g.nl()
		for i := range rapid.IntRange(0, 3).Draw(g.t, "fields") {
			if i > 0 {
				s += "," + g.nl()
			}
			s += g.pair(depth-1) + g.nl()
		}
		return s + "}"
	}
	return g.of("scalar", "1", "-1_000", "0xfe", "1.5", "1e6", "true", `"x"`, `'x\'`, `"\"#]}"`, `""`, `"ü"`, "\"\"\"a\n\"b\"\n\"\"\"", "'''\na''b'''",
		`"""""a"""""`, "1979-05-27 07:32:00", "1979-05-27T07:32:00.5-07:00", "07:32:00", "1979-05-27", "inf", "-nan")
}
