package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitalns/checks"
	"vitalns/zones/zonefile"
)

const (
	oneSecret     = "e5e973e5a6b2a43f48e7dc849e37bfcf"
	anotherSecret = "445536bcd2513298075a5d379663c962"
)

func TestParseCookieSecrets(t *testing.T) {
	got, err := parseCookieSecrets([]byte("# the one that makes\n  " + strings.ToUpper(oneSecret) + "  # since May\r\n\n" + anotherSecret))
	if err != nil || len(got) != 2 || got[0][0] != 0xe5 || got[1][0] != 0x44 {
		t.Errorf("got %d secrets, %v", len(got), err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":         {"", "no secret in it"},
		"comments":      {"# " + oneSecret + "\n", "no secret in it"},
		"short":         {oneSecret + "\n" + anotherSecret[:30], "line 2: a secret has 32 hexadecimal digits, not 30 characters"},
		"long":          {oneSecret + "00", "line 1: a secret has 32 hexadecimal digits, not 34 characters"},
		"two on a line": {oneSecret + " " + anotherSecret, "line 1: a secret has 32 hexadecimal digits, not 65 characters"},
		"no digits":     {"\n" + strings.Repeat("x", 32), "line 2: a secret is of hexadecimal digits, 0 to 9 and a to f"},
		"zeros":         {strings.Repeat("0", 32), "line 1: zeros are no secret"},
		"twice":         {oneSecret + "\n" + strings.ToUpper(oneSecret), "line 2: this secret stands there already"},
		"four":          {oneSecret + "\n" + anotherSecret + "\n" + strings.Repeat("1", 32) + "\n" + strings.Repeat("2", 32), "line 4: more than 3 secrets"},
		"huge":          {strings.Repeat("#\n", maxCookieFile), "more than 65536 bytes"},
	} {
		secrets, err := parseCookieSecrets([]byte(tt.text))
		if err == nil || err.Error() != tt.want || secrets != nil {
			t.Errorf("%s: got %d secrets, %v; want %s", name, len(secrets), err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), oneSecret[:8]) || strings.Contains(err.Error(), anotherSecret[:8])) {
			t.Errorf("%s: a secret shows in %q", name, err)
		}
	}
}

// What is wrong with the file is said where the node file names it; a file that is not there is a warning
// for `check`, which may run elsewhere, and an error for a node that is to serve.
func TestCookieSecretFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	zone := write("z.toml", "zone = \"example.org\"\nns = { ns1 = \"192.0.2.53\" }\n")
	load := func(text string) Loaded {
		return Loader{Path: write("node.toml", text), Zones: []string{zone}}.Load()
	}
	const names = "[dns]\ncookie_secret_file = \"cookie.secret\"\n"
	errorsOf := func(l Loaded) (all []string) {
		for _, p := range l.Problems {
			if p.Severity == zonefile.Error {
				all = append(all, strings.ReplaceAll(p.Error(), dir, "DIR")+" / "+p.Hint)
			}
		}
		return all
	}
	l := load(names)
	if got := errorsOf(l); len(got) > 0 || len(l.Problems) != 1 || l.Problems[0].Line != 2 {
		t.Errorf("no file, for check: got %v", l.Problems)
	}
	if got := errorsOf(l.withCookies()); len(got) != 1 || !strings.Contains(got[0], "cookie.secret: error: cannot be read: no such file or directory / "+cookieHint) {
		t.Errorf("no file, for a node: got %q", got)
	}
	write("cookie.secret", "secret\n")
	if got := errorsOf(load(names).withCookies()); len(got) != 1 || got[0] !=
		"DIR/node.toml:2:22: error: [dns]: cookie secret file DIR/cookie.secret: line 1: a secret has 32 hexadecimal digits, not 6 characters / "+cookieHint {
		t.Errorf("a bad file: got %q", got)
	}
	write("cookie.secret", oneSecret+"\n")
	if l := load(names).withCookies(); len(l.Problems) > 0 || len(l.Cookies) != 1 || l.Cookies[0] == (checks.Secret{}) {
		t.Errorf("a good file: got %v, %d secrets", l.Problems, len(l.Cookies))
	}
	if l := load("").withCookies(); len(l.Problems) > 0 || l.Cookies != nil {
		t.Errorf("no key: got %v", l.Problems)
	}
}

// A reload says that the secrets are others, and nothing of what they are.
func TestDiffCookies(t *testing.T) {
	one, two := []checks.Secret{{1}}, []checks.Secret{{2}, {1}}
	for want, pair := range map[string][2][]checks.Secret{
		"": {two, two},
		"~ [dns] cookie secrets: the cluster's -> 1 of a file": {nil, one},
		"~ [dns] cookie secrets: 1 of a file -> 2 of a file":   {one, two},
		"~ [dns] cookie secrets: 2 of a file -> the cluster's": {two, nil},
	} {
		if got := strings.Join(diffCookies(pair[0], pair[1]), "\n"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Who is told why: prefixes, addresses, nobody, and by default nothing is said, which is loopback.
func TestExplainPrefixes(t *testing.T) {
	for text, want := range map[string][]netip.Prefix{
		"":             nil,
		"explain = []": {},
		`explain = ["192.0.2.0/24", "2001:db8::1"]`: {netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		`explain = "0.0.0.0/0"`:                     {netip.MustParsePrefix("0.0.0.0/0")},
	} {
		f, problems := ParseFile("node.toml", []byte("[dns]\n"+text+"\n"))
		if len(problems) > 0 || !slices.Equal(f.Explain, want) || (f.Explain == nil) != (want == nil) {
			t.Errorf("%s: got %v, %v", text, f.Explain, problems)
		}
	}
	if _, problems := ParseFile("node.toml", []byte("[dns]\nexplain = [\"everyone\"]\n")); problems.Errors() != 1 || problems[0].Line != 2 {
		t.Errorf("no prefix: got %v", problems)
	}
}
