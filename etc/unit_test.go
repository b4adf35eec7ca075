package etc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the program, for what only it can tell.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "vitalns")
	if out, err := exec.Command("go", "build", "-o", bin, "vitalns/cmd/vitalns").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// needs skips where a program of a Debian package is missing; CI has them all.
func needs(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the Debian package %s", program, pkg)
	}
	t.Skipf("%s is missing: install the Debian package %s", program, pkg)
}

// The node file loads with the zones beside it and a key made as it says.
func TestNodeFile(t *testing.T) {
	bin := build(t)
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "zones"), os.DirFS("zones")); err != nil {
		t.Fatal(err)
	}
	key, err := exec.Command(bin, "keygen", "cluster").Output()
	if err != nil {
		t.Fatalf("keygen cluster: %v", err)
	}
	for name, text := range map[string][]byte{"vitalns.toml": readFile(t, "vitalns.toml"), "cluster.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "check", "-c", "vitalns.toml")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "vitalns.toml:") {
			t.Errorf("the node file: %s", line)
		}
	}
}

// mostExposure is the greatest exposure of the unit that passes, in tenths, as systemd-analyze counts it.
const mostExposure = "16"

// The unit is one that systemd takes, and as closed as it can be. verify wants the program to be there.
func TestUnit(t *testing.T) {
	needs(t, "systemd-analyze", "systemd")
	bin := filepath.Join(t.TempDir(), "vitalns")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := string(readFile(t, "systemd/vitalns.service"))
	moved := strings.ReplaceAll(text, "/usr/local/bin/vitalns", bin)
	if moved == text {
		t.Fatal("the unit does not run /usr/local/bin/vitalns")
	}
	unit := filepath.Join(t.TempDir(), "vitalns.service")
	if err := os.WriteFile(unit, []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+mostExposure, unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// The user of the unit is the one that systemd-sysusers makes.
func TestUnitUser(t *testing.T) {
	needs(t, "systemd-sysusers", "systemd")
	out, err := exec.Command("systemd-sysusers", "--dry-run", "--root="+t.TempDir(), filepath.Join(workDir(t), "systemd/vitalns.sysusers")).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-sysusers: %v\n%s", err, out)
	}
	unit := string(readFile(t, "systemd/vitalns.service"))
	if !strings.Contains(string(readFile(t, "systemd/vitalns.sysusers")), "\nu vitalns ") || !strings.Contains(unit, "\nUser=vitalns\n") {
		t.Error("the unit's user is not the one that is made")
	}
}

func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
