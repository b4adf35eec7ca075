package node

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"

	"vitalns/checks"
	"vitalns/dnsserver/edge"
	"vitalns/zones/zonefile"
)

// maxExplain bounds the list of who is told why.
const maxExplain = 100

const cookieHint = "one to three lines of 32 hexadecimal digits, the same file on every server: `openssl rand -hex 16` makes one"

// parseDiagnosis reads what [dns] says of cookies, and of who is told why an answer is as it is.
func (f *File) parseDiagnosis(t *zonefile.Table) {
	if v := t.Get("cookie_secret_file"); v.Text(&f.CookieFile) {
		f.CookieFile = under(filepath.Dir(f.Path), f.CookieFile)
		f.secrets = append(f.secrets, secret{v, &f.CookieFile, func(path string) error { _, err := loadCookieSecrets(path); return err }, cookieHint})
	}
	v := t.Get("explain")
	if v == nil {
		return
	}
	f.Explain = []netip.Prefix{}
	for _, item := range v.List() {
		var p netip.Prefix
		if item.Prefix(&p) {
			f.Explain = append(f.Explain, p)
		}
	}
	if len(f.Explain) > maxExplain {
		v.Error("", "more than %d prefixes", maxExplain)
	}
}

// maxCookieFile bounds a file of cookie secrets, comments included.
const maxCookieFile = 64 << 10

// loadCookieSecrets reads a file of cookie secrets; "" has none. The first makes cookies, all are accepted.
// No error repeats what stands in the file: a wrong line may be a secret all the same.
func loadCookieSecrets(path string) ([]checks.Secret, error) {
	if path == "" {
		return nil, nil
	}
	f, _, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCookieFile+1))
	if err != nil {
		return nil, err
	}
	secrets, err := parseCookieSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("cookie secret file %s: %w", path, err)
	}
	return secrets, nil
}

func parseCookieSecrets(text []byte) (secrets []checks.Secret, err error) {
	if len(text) > maxCookieFile {
		return nil, fmt.Errorf("more than %d bytes", maxCookieFile)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line, _, _ = bytes.Cut(line, []byte("#"))
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var s checks.Secret
		if len(line) != hex.EncodedLen(len(s)) {
			return nil, fmt.Errorf("line %d: a secret has %d hexadecimal digits, not %d characters", n, hex.EncodedLen(len(s)), len(line))
		}
		if _, err := hex.Decode(s[:], line); err != nil {
			return nil, fmt.Errorf("line %d: a secret is of hexadecimal digits, 0 to 9 and a to f", n)
		}
		switch {
		case s == checks.Secret{}:
			return nil, fmt.Errorf("line %d: zeros are no secret", n)
		case slices.Contains(secrets, s):
			return nil, fmt.Errorf("line %d: this secret stands there already", n)
		case len(secrets) == edge.MaxSecrets:
			return nil, fmt.Errorf("line %d: more than %d secrets", n, edge.MaxSecrets)
		}
		secrets = append(secrets, s)
	}
	if len(secrets) == 0 {
		return nil, errors.New("no secret in it")
	}
	return secrets, nil
}

// diffCookies says that cookies are made and accepted by other secrets.
func diffCookies(a, b []checks.Secret) []string {
	if slices.Equal(a, b) {
		return nil
	}
	where := func(secrets []checks.Secret) string {
		if len(secrets) == 0 {
			return "the cluster's"
		}
		return fmt.Sprintf("%d of a file", len(secrets))
	}
	return []string{fmt.Sprintf("~ [dns] cookie secrets: %s -> %s", where(a), where(b))}
}

// withCookies reads the cookie secrets of a configuration that is to be served. What stands wrong in the
// file has been reported in its place; here it is an error, too, that there is none.
func (l Loaded) withCookies() Loaded {
	if l.Problems.Errors() > 0 || l.File == nil {
		return l
	}
	secrets, err := loadCookieSecrets(l.File.CookieFile)
	if err != nil {
		l.Problems = append(l.Problems, zonefile.Problem{File: l.File.CookieFile, Text: fileError(err), Hint: cookieHint})
	}
	l.Cookies = secrets
	return l
}
