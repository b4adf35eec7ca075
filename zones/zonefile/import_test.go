package zonefile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitalns/zones"
)

// Importing a zone, loading it and exporting it gives the records BIND has of the original, to BIND and
// to the scanner.
func TestRoundTripAsBIND(t *testing.T) {
	for _, file := range masterFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			original, exported := roundTrip(t, file, testOrigin)
			compareDumps(t, "export", scanText(t, exported, testOrigin), original)
			path := filepath.Join(t.TempDir(), "exported.zone")
			if err := os.WriteFile(path, exported, 0o666); err != nil {
				t.Fatal(err)
			}
			compareDumps(t, "export read by BIND", bindDump(t, testOrigin, path), bindDump(t, testOrigin, file))
		})
	}
}

// Zones of other names: the file's is the zone's, "root" that of the root.
func TestRoundTripOrigins(t *testing.T) {
	files, err := filepath.Glob("testdata/origins/*.zone")
	if err != nil || len(files) < 3 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name := strings.TrimSuffix(filepath.Base(file), ".zone")
			if name == "root" {
				name = "."
			}
			origin, err := zones.ParseName(name)
			if err != nil {
				t.Fatal(err)
			}
			original, exported := roundTrip(t, file, origin)
			compareDumps(t, "export", scanText(t, exported, origin), original)
			compareDumps(t, "scan", original, bindDump(t, origin, file))
		})
	}
}

func scanText(t *testing.T, text []byte, origin zones.Name) []string {
	t.Helper()
	m, problems := scanMaster("exported", text, origin, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return m.dump()
}

// roundTrip returns the records of a master file and what they are exported as once imported.
func roundTrip(t *testing.T, file string, origin zones.Name) (original []string, exported []byte) {
	t.Helper()
	text := readTestFile(t, file)
	m, _ := scanMaster(file, text, origin, openBeside)
	imported, problems := Import(file, text, origin, openBeside)
	if problems.Errors() > 0 {
		t.Fatal(problems)
	}
	sources, problems := Load([]File{{Path: "imported.toml", Text: imported}}, Options{})
	if problems.Errors() > 0 {
		var report strings.Builder
		_ = problems.Format(&report) // a strings.Builder takes all
		t.Fatalf("the import does not load:\n%s\n%s", report.String(), imported)
	}
	return m.dump(), Export(sources[0])
}

// What an import and an export look like.
func TestImportText(t *testing.T) {
	for _, file := range masterFiles(t) {
		name := strings.TrimSuffix(file, ".zone")
		imported, problems := Import(filepath.Base(file), readTestFile(t, file), testOrigin, func(name string) ([]byte, error) {
			return os.ReadFile(filepath.Join("testdata/master", name))
		})
		var report bytes.Buffer
		if err := problems.Format(&report); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".toml", imported)
		golden(t, name+".report", report.Bytes())
		_, exported := roundTrip(t, file, testOrigin)
		golden(t, name+".exported", exported)
	}
}
