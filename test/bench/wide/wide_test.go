package wide_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitalns/test/bench/wide"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wide.zone")
	if err := wide.Write(path, 3, 7); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "hostmaster 7 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\nh0000000 A 192.0.2.7\nh0000001 A 10.0.0.1\nh0000002 A 10.0.0.2\n"
	if got := string(raw); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}
