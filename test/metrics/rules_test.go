package metrics

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool returns the path of a program of the Debian package prometheus, or skips the test and names it.
// With CI=true a missing package fails.
func tool(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package prometheus (make test-deps)", program)
	}
	t.Skipf("%s is missing: install the Debian package prometheus", program)
	return ""
}

// The unit tests of the alerts pass, and each alert is shown there to fire.
func TestRules(t *testing.T) {
	files, err := filepath.Glob(rulesTests)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", rulesTests, len(files), err)
	}
	if out, err := exec.Command(tool(t, "promtool"), append([]string{"test", "rules"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
	tests := ""
	for _, f := range files {
		tests += string(readText(t, f))
	}
	for _, name := range alerts(t) {
		if !strings.Contains(tests, fmt.Sprintf("alertname=%q", name)) {
			t.Errorf("%s: no unit test shows it to fire", name)
		}
	}
}

// alerts are the names of all alerts.
func alerts(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(readText(t, rulesFile), -1) {
		names = append(names, string(m[1]))
	}
	if len(names) == 0 {
		t.Fatalf("%s has no alerts", rulesFile)
	}
	return names
}

// Each alert has a severity, a summary, and a description that is long enough to say what to do.
func TestRulesSayWhatToDo(t *testing.T) {
	blocks := strings.Split(string(readText(t, rulesFile)), "- alert: ")[1:]
	for _, b := range blocks {
		name, _, _ := strings.Cut(b, "\n")
		if !regexp.MustCompile(`severity: (critical|warning|info)`).MatchString(b) {
			t.Errorf("%s: no severity", name)
		}
		if !strings.Contains(b, "summary: ") {
			t.Errorf("%s: no summary", name)
		}
		if _, text, ok := strings.Cut(b, "description: >-"); !ok || len(strings.TrimSpace(text)) < 80 {
			t.Errorf("%s: no description that says what to do", name)
		}
	}
}
