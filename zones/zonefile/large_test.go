package zonefile_test

import (
	"fmt"
	"strings"
	"testing"

	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// Text may be as long as a record can be; of what is larger than a message there is a warning, once.
func TestLargeText(t *testing.T) {
	for _, row := range []struct {
		data string // what stands behind TXT =
		want string // the report in part; "" none
	}{
		{quoted(65200), ""},
		{quoted(65279), `warning: record "big": with this record TXT is larger than a message can be`},
		{quoted(65280), `error: record "big": text of 65280 octets: at most 65279 fit a record`},
		{"[" + quoted(30000) + "," + strings.Repeat(quoted(30001)+","+quoted(30002)+",", 2) + quoted(30003) + "]", "0 errors, 3 warnings"}, // with the two that are there twice
	} {
		text := "zone = \"example.com\"\nns = [\"ns1.example.net.\"]\n[records.big]\nTXT = " + row.data + "\n"
		sources, problems := zonefile.Load([]zonefile.File{{Path: "example.com.toml", Text: []byte(text)}}, zonefile.Options{})
		got := report(problems)
		if row.want == "" && got != "0 errors, 0 warnings\n" || !strings.Contains(got, row.want) {
			t.Errorf("%d bytes: got %.300s", len(row.data), got)
		}
		if len(sources) == 0 {
			continue
		}
		if _, err := zones.Compile(sources); err != nil {
			t.Errorf("%d bytes: %v", len(row.data), err)
		}
		// What is exported is imported as the same.
		master := zonefile.Export(sources[0])
		imported, problems := zonefile.Import("example.com.zone", master, sources[0].Origin, nil)
		again, loading := zonefile.Load([]zonefile.File{{Path: "again.toml", Text: imported}}, zonefile.Options{})
		if problems.Errors()+loading.Errors() > 0 || !sameRecords(zonefile.Export(again[0]), master) {
			t.Errorf("%d bytes: it comes back otherwise", len(row.data))
		}
	}
}

func quoted(n int) string { return fmt.Sprintf("%q", strings.Repeat("x", n)) }

// sameRecords compares master files but for comments.
func sameRecords(a, b []byte) bool {
	strip := func(text []byte) string {
		var out strings.Builder
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, ";") {
				out.WriteString(line)
			}
		}
		return out.String()
	}
	return strip(a) == strip(b)
}
