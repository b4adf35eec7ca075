package zones_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitalns/zones"
)

var update = flag.Bool("update", false, "write what came out into the golden files")

// The golden files hold cases: prose, the lines that tell a world, and below the dashes what its first
// pool answers and what this node writes. A case that begins with "then" goes on from the one before.
func TestPools(t *testing.T) {
	files, err := filepath.Glob("testdata/pools/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden(t, file, func(w *world) string {
				var b strings.Builder
				table := zones.NewTable(w.compile(t), w.snapshot())
				draw(&b, table, w, 0)
				rs := zones.Writes(table, w.snapshot())
				written(t, &b, rs)
				w.write(t, rs)
				return b.String()
			})
		})
	}
}

// golden runs every case of a file and compares, or with -update rewrites, what stands below its dashes.
func golden(t *testing.T, file string, run func(*world) string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var w *world
	for n, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		input, want, _ := strings.Cut(block, "----")
		if n > 0 {
			out.WriteString("\n")
		}
		out.WriteString(input)
		lines := told(input)
		if len(lines) == 0 {
			out.WriteString("\n") // prose alone
			continue
		}
		if w == nil || !strings.HasPrefix(lines[0], "then ") {
			w = newWorld()
		}
		for _, line := range lines {
			w.tell(t, line)
		}
		got := run(w)
		out.WriteString("----\n" + got)
		if strings.TrimSpace(got) != strings.TrimSpace(want) && !*update {
			t.Errorf("%sgot:\n%s\nwant:\n%s", input, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// told returns the lines that are not prose.
func told(input string) []string {
	var lines []string
	for line := range strings.Lines(input) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}
