package zonefile

import (
	"strings"
	"testing"

	"vitalns/zones"
)

// A hint is a name that can be written in place of the one that is odd, and means no more than it.
func TestOddNameHints(t *testing.T) {
	const none = `write its xn-- form; who means these bytes writes them \DDD`
	write := func(name string) string { return `write "` + name + `"; who means these bytes writes them \DDD` }
	for _, tt := range []struct{ name, hint string }{
		{"www.example.com.", ""},
		{`b\195\188ro`, ""},
		{"büro", write("xn--bro-hoa")},
		{"Büro.Example.com.", write("xn--bro-hoa.example.com.")},
		{"*.büro", write("*.xn--bro-hoa")},
		{"_sip._tcp.büro", write("_sip._tcp.xn--bro-hoa")},
		{"r3---ü", write("xn--r3----ova")},
		{strings.Repeat("㌖", 13), none}, // too long a label
		{"a.\u00ad.b", none},            // an empty one
		{"＠", none},                     // the apex
		{"＊", none},                     // a wildcard
		{"a＼100b", none},                // an escape
		{"中。文", none},                   // two labels
		{"xn--.bü", none},
		{"\xffü", none},
		{"a ü", none},
		{"a b", `who means it writes it \032`},
		{"a\tb c", `who means it writes it \009`},
		{"a\x00", `who means it writes it \000`},
		{"a\x7f", `who means it writes it \127`},
	} {
		if _, hint := oddName(tt.name); hint != tt.hint {
			t.Errorf("%q: %s, want %s", tt.name, hint, tt.hint)
		}
	}
}

// Whatever a name is, its form is one of ASCII that can be written.
func FuzzOddName(f *testing.F) {
	for _, s := range []string{"büro", "*.例え.テスト", "a\u00ad.b", "xn--.bü", "＠", strings.Repeat("㌖", 13)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ascii := asciiName(s)
		if ascii == "" {
			return
		}
		if _, err := zones.ParseName(ascii); err != nil || strings.ContainsFunc(ascii, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q: %q, %v", s, ascii, err)
		}
	})
}
