package zonefile_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"vitalns/zones/zonefile"
)

// Whatever a file holds, what is said of it is short: it is logged, kept and sent.
func TestLongValues(t *testing.T) {
	const head = "zone = \"example.com\"\nns = { ns1 = \"192.0.2.1\" }\n"
	for _, long := range []string{strings.Repeat("x", 20_000), strings.Repeat(`\u0001`, 20_000), strings.Repeat("\u20ac", 20_000),
		strings.Repeat("x.", 10_000), strings.Repeat("0", 20_000) + "1"} {
		for _, text := range []string{
			`zone = "LONG"`,
			head + `"LONG" = 1`,
			head + `ttl = "LONG"`,
			head + `include = "LONG"`,
			head + `soa = { mname = "LONG", rname = "LONG@LONG", serial = "LONG", refresh = "LONG" }`,
			"zone = \"example.com\"\nns = [\"LONG\"]",
			"zone = \"example.com\"\nns = { \"LONG\" = \"LONG\" }",
			head + "[records.\"LONG\"]\nA = \"192.0.2.1\"",
			head + "[records.\"LONG\"]\nA = 5\n[records.\"LONG.\"]\nA = 5",
			head + "[records.www]\nA = \"LONG\"\nMX = \"LONG LONG\"\nTXT = '\"LONG'\nLOC = \"LONG\"\nTYPE999 = '\\# LONG'\nDS = \"1 2 3 LONG\"",
			head + "[records.www]\nA = 5\n\"LONG\" = 6\nCNAME = \"LONG\"\nSVCB = \"1 . LONG=LONG\"\nALIAS = \"LONG\"",
			head + "[records.www]\npool = \"LONG\"",
			head + "[records.www]\nA = \"192.0.2.1\"\ncheck = \"LONG\"",
			head + "[records.www]\nA = \"192.0.2.1\"\ncheck = { type = \"http\", path = \"LONG\", host = \"LONG\", headers = { LONG = \"LONG\" }, expect = { status = \"LONG\", body_regex = \"(LONG\" }, quorum = \"LONG\" }",
			head + "[checks.\"LONG\"]\ntype = \"LONG\"\nextends = \"LONG\"",
			head + "[pools.\"LONG\"]\npolicy = \"LONG\"\nfallback = \"LONG\"\nLONG = 2\ntargets = [{ name = \"LONG\", address = \"LONG\", state = \"LONG\" }, { name = \"LONG\", cname = \"LONG\" }]",
			head + "LONG",
			head + "x = LONG",
			head + "\"LONG\" = 1\n\"LONG\" = 1",
			head + "[records.LONG LONG]",
		} {
			text := strings.ReplaceAll(text, "LONG", long)
			_, problems := zonefile.Load([]zonefile.File{{Path: "x.toml", Text: []byte(text)}}, zonefile.Options{})
			checkShort(t, text, problems)
		}
	}
}

// The same of a master file, and of bytes that are no text.
func TestLongWords(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 20_000), strings.Repeat("\x00", 20_000), strings.Repeat("\xff", 20_000), strings.Repeat("x.", 10_000)} {
		for _, line := range []string{"LONG", "LONG A 192.0.2.1", "www LONG", "www 5 LONG", "www LONG A 192.0.2.1", "www A LONG", "www A 192.0LONG", `www TXT "LONG"`,
			"$LONG x", "$TTL LONG", "$ORIGIN LONG", "$INCLUDE LONG", "$INCLUDE x LONG", "$GENERATE LONG a$ A 192.0.2.$", "$GENERATE 1-2 LONG A 192.0.2.$",
			"$GENERATE 1-2 ${LONG} A 192.0.2.$", "$GENERATE 1-2 a$ A LONG", "$TTL 5 LONG", "www A 192.0.2.1 LONG", "www DS 1 8 2 LONG"} {
			_, problems := included("example.com", []byte(strings.ReplaceAll(line, "LONG", long)+"\n"), os.ReadFile)
			checkShort(t, line, problems)
		}
	}
}

func checkShort(t *testing.T, text string, problems zonefile.Problems) {
	t.Helper()
	var b bytes.Buffer
	if err := problems.Format(&b); err != nil || problems.Errors() == 0 {
		t.Fatalf("%.300q: %v, %v", text, problems.Errors(), err)
	}
	if most := 16_000 * len(problems); b.Len() > most {
		t.Errorf("%.300q: %d problems in %d bytes: %.3000s", text, len(problems), b.Len(), b.String())
	}
	for _, p := range problems {
		if len(p.Text) > 4000 || len(p.Hint) > 4000 || len(p.Source) > 10_000 {
			t.Errorf("%.300q: text of %d bytes, hint of %d, source of %d: %.200s", text, len(p.Text), len(p.Hint), len(p.Source), p.Text)
		}
	}
}

// A word that is longer than any can be is not kept.
func TestTooLongWord(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 3<<20), `www TXT "` + strings.Repeat("\\000", 1<<20) + `"`} {
		_, problems := included("example.com", []byte(text+"\nwww A 192.0.2\n"), nil)
		if got := report(problems); len(problems) != 3 || !strings.Contains(got, "error: a word of more than 1048576 bytes\n") {
			t.Errorf("%.20q: got %s", text, got)
		}
	}
}

// A file that a crash left as a run of NUL bytes says so, and what to do.
func TestNULs(t *testing.T) {
	for _, text := range []string{"\x00\x00\x00\n", "www A 192.0.2.1\n\x00\x00\x00\x00"} {
		_, problems := included("example.com", []byte(text), nil)
		if got := report(problems); !strings.Contains(got, "error: a NUL byte\n") || !strings.Contains(got, "not written to its end") {
			t.Errorf("%q: got %s", text, got)
		}
		_, problems = zonefile.Load([]zonefile.File{{Path: "x.toml", Text: []byte(text)}}, zonefile.Options{})
		if got := report(problems); !strings.Contains(got, "error: a NUL byte\n") || len(problems) != 1 {
			t.Errorf("%q: got %s", text, got)
		}
	}
}

// Problems of one line are bounded as any are, and found in one pass: counted each from the beginning of the
// line, these columns would take minutes.
func TestManyProblemsOfALine(t *testing.T) {
	for _, tt := range []struct {
		item   string
		at     int // where in it the problem is
		text   string
		beyond string
	}{
		{`"192.0.2.1"`, 0, `warning: record "www": is in line 4 already`, "warning: 49001 more warnings"}, // one that they are too many for a message
		{`"192.0.2"`, 1, `error: record "www": A: "192.0.2" is not an IPv4 address`, "error: 49000 more errors"},
	} {
		text := "zone = \"example.com\"\nns = { ns1 = \"192.0.2.1\" }\n[records.www]\nA = [ \"192.0.2.1\"" + strings.Repeat(", "+tt.item, 50_000) + "]\n"
		_, problems := zonefile.Load([]zonefile.File{{Path: "x.toml", Text: []byte(text)}}, zonefile.Options{})
		if len(problems) != 1001 {
			t.Fatalf("got %d problems", len(problems))
		}
		for i, p := range problems[:1000] {
			want := fmt.Sprintf("x.toml:4:%d: %s", len("A = [ \"192.0.2.1\"")+1+2+tt.at+i*(len(tt.item)+2), tt.text)
			if p.Error() != want {
				t.Fatalf("problem %d: got %s, want %s", i, p.Error(), want)
			}
		}
		if got, want := problems[1000].Error(), "x.toml: "+tt.beyond; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// However many warnings there are, an error is shown, and all are counted.
func TestErrorBeyondManyWarnings(t *testing.T) {
	text := "zone = \"example.com\"\nns = { ns1 = \"192.0.2.1\" }\n[records.www]\nA = [ \"192.0.2.1\"" + strings.Repeat(", \"192.0.2.1\"", 1500) + "]\nAAAA = \"192.0.2.1\"\n"
	_, problems := zonefile.Load([]zonefile.File{{Path: "x.toml", Text: []byte(text)}}, zonefile.Options{})
	got := report(problems)
	if want := "x.toml:5:9: error: "; !strings.Contains(got, want) {
		t.Errorf("no %q", want)
	}
	if want := "x.toml: warning: 500 more warnings\n1 error, 1500 warnings\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got ...%q, want %q at the end", got[max(0, len(got)-200):], want)
	}
}
