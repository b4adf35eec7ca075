package zones_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"vitalns/zones"
)

func name(t testing.TB, s string) zones.Name {
	t.Helper()
	n, err := zones.ParseName(s)
	if err != nil {
		t.Fatalf("ParseName(%q): %v", s, err)
	}
	return n
}

func TestParseName(t *testing.T) {
	l63 := strings.Repeat("a", 63)
	long := strings.Repeat(l63+".", 3) + strings.Repeat("b", 61) // 255 bytes on the wire
	for _, tt := range []struct{ in, want, err string }{
		{in: ".", want: "."},
		{in: "www.Example.COM", want: "www.example.com."},
		{in: "www.example.com.", want: "www.example.com."},
		{in: `a\.b.c`, want: `a\.b.c.`},
		{in: `\097\065.c`, want: `aa.c.`},
		{in: `\000\255.c`, want: `\000\255.c.`},
		{in: `x\ y.c`, want: `x\ y.c.`},
		{in: "*.dev.c", want: "*.dev.c."},
		{in: l63, want: l63 + "."},
		{in: long, want: long + "."},
		{in: long + ".", want: long + "."},
		{in: "", err: "name is empty"},
		{in: "..", err: "name has an empty label"},
		{in: ".a", err: "name has an empty label"},
		{in: "a..b", err: "name has an empty label"},
		{in: l63 + "a", err: "label is longer than 63 bytes"},
		{in: long + "b", err: "name is longer than 255 bytes"},
		{in: long + "b.", err: "name is longer than 255 bytes"},
		{in: `a\`, err: "bad escape"},
		{in: `a\25`, err: "bad escape"},
		{in: `a\256`, err: "bad escape"},
	} {
		n, err := zones.ParseName(tt.in)
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("ParseName(%q): got %q, %v, want error %q", tt.in, n, err, tt.err)
			}
			continue
		}
		if err != nil || n.String() != tt.want {
			t.Errorf("ParseName(%q): got %q, %v, want %q", tt.in, n, err, tt.want)
		}
	}
}

func TestNameIsSubdomainOf(t *testing.T) {
	for _, tt := range []struct {
		n, zone string
		want    bool
	}{
		{"a.example.com", "example.com", true},
		{"example.com", "example.com", true},
		{"example.com", ".", true},
		{"notexample.com", "example.com", false},
		{"com", "example.com", false},
		{`a\.example.com`, "example.com", false},
		{`xx\007example.com`, "example.com", false},
	} {
		if got := name(t, tt.n).IsSubdomainOf(name(t, tt.zone)); got != tt.want {
			t.Errorf("%s in %s: got %v, want %v", tt.n, tt.zone, got, tt.want)
		}
	}
}

func TestNameAppend(t *testing.T) {
	n, err := name(t, "a.b").Append(name(t, "example.com"))
	if err != nil || n.String() != "a.b.example.com." {
		t.Errorf("got %v, %v", n, err)
	}
	if _, err := name(t, strings.Repeat("abcdefg.", 30)).Append(name(t, "a-longer-origin.example.com")); err == nil {
		t.Error("a name over 255 bytes was made")
	}
}

// The example of RFC 4034 §6.1.
func TestNameCompare(t *testing.T) {
	want := []string{"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.",
		"z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`}
	var got []zones.Name
	for _, s := range want {
		got = append(got, name(t, s))
	}
	slices.Reverse(got)
	slices.SortFunc(got, zones.Name.Compare)
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("place %d: got %s, want %s", i, got[i], want[i])
		}
	}
}

// FuzzName holds ParseName, String and NameFromWire against each other and against miekg/dns.
func FuzzName(f *testing.F) {
	for _, s := range []string{".", "a", "A.b.", `a\.b`, `\000.x`, "*.x", "", "..", `\`, "a b.c", `"x".y`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var buf [300]byte
		end, theirs := dns.PackDomainName(dns.Fqdn(s), buf[:], 0, nil, false)
		n, err := zones.ParseName(s)
		if err != nil {
			return
		}
		if theirs == nil {
			m, used, err := zones.NameFromWire(buf[:end])
			if err != nil || used != end || m != n {
				t.Fatalf("%q: miekg packs %x, we have %x (%v)", s, buf[:end], string(n), err)
			}
		}
		again, err := zones.ParseName(n.String())
		if err != nil || again != n {
			t.Fatalf("%q: %q reads back as %x, not %x (%v)", s, n.String(), string(again), string(n), err)
		}
		str, _, err := dns.UnpackDomainName([]byte(n), 0)
		if err != nil || str != n.String() {
			t.Fatalf("%q: miekg prints %q, we print %q (%v)", s, str, n.String(), err)
		}
		if n.Labels() > 0 && !n.IsSubdomainOf(n.Parent()) {
			t.Fatalf("%q is not below its parent", s)
		}
	})
}

func FuzzNameFromWire(f *testing.F) {
	f.Add([]byte("\x03www\x00"))
	f.Add([]byte("\xc0\x0c"))
	f.Add([]byte("\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, used, err := zones.NameFromWire(b)
		if err != nil {
			return
		}
		if used != len(n) || used > 255 {
			t.Fatalf("%x: name of %d bytes took %d", b, len(n), used)
		}
		again, err := zones.ParseName(n.String())
		if err != nil || again != n {
			t.Fatalf("%x: %q reads back as %x (%v)", b, n.String(), string(again), err)
		}
	})
}
