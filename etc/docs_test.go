package etc_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitalns/checks/probe"
	"vitalns/zones/zonefile"
)

// A block is what stands between two fences of a document.
type block struct {
	file, info, text string
	line             int
}

// documents are the files that speak to users.
func documents(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("doc/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("doc/*.md: %d files, %v", len(docs), err)
	}
	return append([]string{"../README.md"}, docs...)
}

func blocks(t *testing.T, file string) (all []block) {
	t.Helper()
	var open *block
	for i, line := range strings.SplitAfter(string(readFile(t, file)), "\n") {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{file: file, info: info, line: i + 1}
		case fence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Errorf("%s:%d: a block does not end", file, open.line)
	}
	return all
}

// someMaster is any master file that a zone includes.
func someMaster(string) ([]byte, error) {
	return []byte("@ 3600 IN SOA ns.example.net. h.example.net. 1 1 1 1 1\n@ 3600 IN NS ns.example.net.\n"), nil
}

// Every TOML block is a whole zone or, marked so, a whole node file, and loads without errors.
func TestDocumentedFiles(t *testing.T) {
	bin := build(t)
	zones := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			where := fmt.Sprintf("%s:%d", b.file, b.line)
			switch b.info {
			case "toml":
				zones++
				opt := zonefile.Options{Env: new(probe.Env), Nodes: 3, Cluster: true, ReadFile: someMaster}
				if _, problems := zonefile.Load([]zonefile.File{{Path: where, Text: []byte(b.text)}}, opt); problems.Errors() > 0 {
					_ = problems.Format(os.Stderr)
					t.Errorf("%s: the zone does not load", where)
				}
			case "toml node":
				checkNodeFile(t, bin, where, b.text)
			case "dns":
				head := "@ 3600 IN SOA ns.example.net. h.example.net. 1 1 1 1 1\n@ 3600 IN NS ns.example.net.\n"
				if _, problems := zonefile.Import(where, []byte(head+b.text), "\x07example\x03com\x00", nil); problems.Errors() > 0 {
					_ = problems.Format(os.Stderr)
					t.Errorf("%s: the records do not load", where)
				}
			case "console", "text", "yaml":
			default:
				t.Errorf("%s: a block of %q: toml, toml node, dns, console, text or yaml", where, b.info)
			}
		}
	}
	if zones < 3 {
		t.Errorf("%d zones in the documents: those of README and zonefile.md are missing", zones)
	}
}

// checkNodeFile runs `vitalns check` on a node file, whose zones and secrets are elsewhere.
func checkNodeFile(t *testing.T, bin, where, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "check", "-c", path).CombinedOutput(); err != nil {
		t.Errorf("%s: the node file does not load: %v\n%s", where, err, out)
	}
}

var (
	programCall = regexp.MustCompile("(?:^\\$ |^`|[|;&(] ?)(?:\\./)?vitalns ([^|;&>#`\n]*)")
	makeCall    = regexp.MustCompile("(?:^\\$ |`)make ([a-z-]+)")
	treePath    = regexp.MustCompile(`(?:^|\s)(etc/[a-z./-]+)`)
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
)

// Every call of the program that a document shows has a command and flags that exist; so has every make
// target, and every path in the tree.
func TestDocumentedCommands(t *testing.T) {
	help := helps{bin: build(t), seen: map[string]string{}}
	targets := string(readFile(t, "../Makefile"))
	for _, file := range documents(t) {
		var calls []string
		for _, b := range blocks(t, file) {
			if b.info != "console" {
				continue
			}
			for line := range strings.Lines(b.text) {
				if !strings.HasPrefix(line, "$ ") {
					continue
				}
				calls = append(calls, strings.TrimSpace(line))
				for _, m := range treePath.FindAllStringSubmatch(line, -1) {
					if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
						t.Errorf("%s: %s: %v", file, strings.TrimSpace(line), err)
					}
				}
			}
		}
		calls = append(calls, codeSpan.FindAllString(string(readFile(t, file)), -1)...)
		for _, line := range calls {
			for _, m := range programCall.FindAllStringSubmatch(line, -1) {
				if err := help.check(strings.Fields(m[1])); err != nil {
					t.Errorf("%s: %s: %v", file, line, err)
				}
			}
			for _, m := range makeCall.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(targets, "\n"+m[1]+":") {
					t.Errorf("%s: %s: no such target in the Makefile", file, line)
				}
			}
		}
	}
}

// What README shows of `check` is what it says of the zone above.
func TestCheckInReadme(t *testing.T) {
	const call = "$ ./vitalns check gslb.toml\n"
	var zone string
	for _, b := range blocks(t, "../README.md") {
		if b.info == "toml" {
			zone = b.text
		}
		_, want, ok := strings.Cut(b.text, call)
		if !ok {
			continue
		}
		want, _, _ = strings.Cut(want, "\n$ ")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "gslb.toml"), []byte(zone), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(build(t), "check", "gslb.toml")
		cmd.Dir = dir
		got, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("check: %v\n%s", err, got)
		}
		if strings.TrimSpace(string(got)) != strings.TrimSpace(want) {
			t.Errorf("check prints\n%s\nREADME has\n%s", got, want)
		}
		return
	}
	t.Errorf("README shows no %s", call)
}

// helps has what `--help` prints for each command asked for.
type helps struct {
	bin  string
	seen map[string]string
}

func (h helps) of(path []string) (string, error) {
	key := strings.Join(path, " ")
	if text, ok := h.seen[key]; ok {
		return text, nil
	}
	out, err := exec.Command(h.bin, append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", key, err)
	}
	h.seen[key] = string(out)
	return string(out), nil
}

// check holds the words after the program's name against its help.
func (h helps) check(words []string) error {
	if len(words) == 0 {
		return nil
	}
	path := words[:1]
	text, err := h.of(path)
	if err != nil {
		return err
	}
	if !strings.Contains(text, "\n  vitalns "+path[0]) {
		return fmt.Errorf("no command %q", path[0])
	}
	if _, list, group := strings.Cut(text, "Available Commands:"); group && len(words) > 1 {
		for sub := range strings.SplitSeq(words[1], `\|`) {
			if !strings.Contains(list, "\n  "+sub+" ") {
				return fmt.Errorf("no command %q %q", path[0], sub)
			}
			path = []string{words[0], sub}
		}
		if text, err = h.of(path); err != nil {
			return err
		}
	}
	for _, w := range words {
		flag, _, _ := strings.Cut(strings.Trim(w, "[]"), "=")
		if strings.HasPrefix(flag, "-") && flag != "-" && !regexp.MustCompile(`(?m)(^|[\s,])`+regexp.QuoteMeta(flag)+`([\s,]|$)`).MatchString(text) {
			return fmt.Errorf("%s has no flag %s", strings.Join(path, " "), flag)
		}
	}
	return nil
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// Links within the tree lead somewhere, to the heading too.
func TestLinks(t *testing.T) {
	for _, file := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(string(readFile(t, file)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: a link to %s, which is not there", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(string(readFile(t, to))), anchor) {
				t.Errorf("%s: a link to %s: no such heading", file, m[1])
			}
		}
	}
}

func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		keep := func(r rune) rune {
			switch {
			case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
				return r
			case r == ' ':
				return '-'
			}
			return -1
		}
		all = append(all, strings.Map(keep, strings.ToLower(m[1])))
	}
	return all
}

// The tables of the check types are those of the program.
func TestCheckTables(t *testing.T) {
	text := strings.ReplaceAll(string(readFile(t, "doc/zonefile.md")), "\r", "")
	for _, kind := range probe.Kinds() {
		c, _ := probe.New(kind)
		want := fmt.Sprintf("### `%s`\n\n| key | default | |\n|---|---|---|\n", kind) + rows("", c.Keys())
		if !strings.Contains(text, want) {
			t.Errorf("doc/zonefile.md lacks:\n%s", want)
		}
	}
}

func rows(prefix string, keys []probe.Key) string {
	var b strings.Builder
	for _, k := range keys {
		if k.Kind == probe.Group {
			b.WriteString(rows(prefix+k.Name+".", k.Keys))
			continue
		}
		b.WriteString(strings.ReplaceAll(fmt.Sprintf("| `%s%s` | %s | %s |\n", prefix, k.Name, k.Default, k.Doc), "|  |", "| |"))
	}
	return b.String()
}

// The documents have every key that the program takes, and no other.
func TestDocumentedKeys(t *testing.T) {
	zone := keysIn(t, "../zones/zonefile/*.go")
	for _, kind := range probe.Kinds() {
		c, _ := probe.New(kind)
		for _, k := range c.Keys() {
			if k.Kind != probe.Group {
				zone[k.Name] = true
			}
			for _, sub := range k.Keys {
				zone[sub.Name] = true
			}
		}
	}
	compareKeys(t, "doc/zonefile.md", zone)
	compareKeys(t, "doc/nodefile.md", keysIn(t, "../cmd/internal/node/nodefile*.go"))
}

// inText are keys that documents speak of in words, not in tables.
var inText = []string{"extends", "use", "all", "any", "at_least", "of", "min", "max", "data", "subnets", "expect", "down", "query",
	"dns", "rrl", "http", "control", "probe", "cluster", "log", "geo"}

func compareKeys(t *testing.T, file string, known map[string]bool) {
	t.Helper()
	text := string(readFile(t, file))
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\|").FindAllStringSubmatch(text, -1) {
		documented[m[1][strings.LastIndexByte(m[1], '.')+1:]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !documented[name] && !(slices.Contains(inText, name) && strings.Contains(text, name)) {
			t.Errorf("%s lacks the key %q", file, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !known[name] {
			t.Errorf("%s has the key %q, which the program does not take", file, name)
		}
	}
}

// keysIn reads the tables of keys from the source files that a pattern matches: the Names of every Keys literal, and the lists of
// names that are put together for one.
func keysIn(t *testing.T, path string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(path)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	collect := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					known[s] = true
				}
			}
			return true
		})
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Names" {
					collect(n.Value)
				}
			case *ast.ValueSpec:
				if name := n.Names[0].Name; (name == "poolKeys" || name == "judgeKeys") && len(n.Values) == 1 {
					collect(n.Values[0])
				}
			}
			return true
		})
	}
	if len(known) < 10 {
		t.Fatalf("%s: %d keys found", path, len(known))
	}
	return known
}

// What README says the demo prints is what it prints, but for the numbers.
func TestDemoInReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the demo takes half a minute")
	}
	t.Parallel()
	var want string
	for _, b := range blocks(t, "../README.md") {
		if strings.HasPrefix(b.text, "vitalns demo:") {
			want = b.text
		}
	}
	var out bytes.Buffer
	cmd := exec.Command(build(t), "demo")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out.String())
	}
	if got, want := withoutNumbers(out.String()), withoutNumbers(want); got != want {
		t.Errorf("the demo prints\n%s\nREADME has\n%s", out.String(), want)
	}
}

var number = regexp.MustCompile(` *[0-9]+(\.[0-9]+)*`)

func withoutNumbers(s string) string {
	return strings.TrimSpace(number.ReplaceAllString(s, " #"))
}
