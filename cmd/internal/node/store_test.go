package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitalns/checks"
)

func TestDirRoundTrip(t *testing.T) {
	d := openDir(t, t.TempDir())
	if s, err := d.Load(); err != nil || s.Incarnation != 0 {
		t.Fatalf("empty: got %v, %v", s, err)
	}
	want := Saved{Time: time.Unix(1000, 0).UTC(), Incarnation: 7,
		Registers: []checks.Register{{Kind: checks.KindOverride, Key: "z/p/t", Writer: "a", Payload: []byte{1, 2}, Left: time.Hour}},
		Served:    map[string][]string{"z/p/t/192.0.2.1": {"k"}}}
	if err := d.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.Load()
	if err != nil || got.Incarnation != 7 || len(got.Registers) != 1 || got.Registers[0].Left != time.Hour || got.Served["z/p/t/192.0.2.1"][0] != "k" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// A torn or edited file is set aside with an error that names where it went, and serving goes on.
func TestDirSetsAside(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	if err := d.Save(Saved{Incarnation: 3}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(path, stateFile)
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, raw[:len(raw)-2], 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Load(); err == nil || !strings.Contains(err.Error(), "state.json.bad") || s.Incarnation != 0 {
		t.Fatalf("got %v, %v", s, err)
	}
	if _, err := os.Stat(name + ".bad"); err != nil {
		t.Fatal(err)
	}
}

func TestDirLocked(t *testing.T) {
	path := t.TempDir()
	openDir(t, path)
	if _, err := OpenDir(path, ""); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
}

func openDir(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := OpenDir(path, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// What cannot even be read is set aside, too, and does not stand in the way of the next state.
func TestDirSetsAsideTheUnreadable(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	if err := os.MkdirAll(filepath.Join(path, stateFile, "inside"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(); err == nil || !strings.Contains(err.Error(), stateFile+".bad") {
		t.Errorf("got %v", err)
	}
	if err := d.Save(Saved{Incarnation: 4}); err != nil {
		t.Error(err)
	}
	if s, err := d.Load(); err != nil || s.Incarnation != 4 {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(path, stateFile+".bad", "inside")); err != nil {
		t.Error(err)
	}
}

// The state of another node of a cluster is set aside; an earlier version did not say whose it is, and a lone
// node may get another name.
func TestDirOfAnotherNode(t *testing.T) {
	for _, row := range []struct {
		name, wrote, reads string
		want               uint64
	}{
		{"its own", "ns2", "ns2", 7},
		{"another's", "ns1", "ns2", 0},
		{"an earlier version's", "", "ns2", 7},
		{"of a lone node", "ns1", "", 7},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := openDir(t, t.TempDir())
			d.node = row.reads
			if err := d.Save(Saved{Node: row.wrote, Incarnation: 7}); err != nil {
				t.Fatal(err)
			}
			s, err := d.Load()
			_, aside := os.Stat(filepath.Join(d.path, stateFile+".of-ns1"))
			if s.Incarnation != row.want || (err == nil) != (row.want > 0) || (aside == nil) != (row.want == 0) {
				t.Errorf("got %+v, %v; set aside: %v", s, err, aside == nil)
			}
		})
	}
}

// A node that was started under a wrong name, and then under its own again, has lost neither state.
func TestDirOfWrongName(t *testing.T) {
	d := openDir(t, t.TempDir())
	for i, name := range []string{"ns1", "ns2", "ns1"} {
		d.node = name
		if s, err := d.Load(); s.Incarnation != 0 || (err == nil) != (i == 0) {
			t.Fatalf("as %s: got %+v, %v", name, s, err)
		}
		if err := d.Save(Saved{Node: name, Incarnation: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]uint64{"ns1": 1, "ns2": 2} {
		raw, err := os.ReadFile(filepath.Join(d.path, stateFile+".of-"+name))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := decodeSaved(raw); err != nil || s.Node != name || s.Incarnation != want {
			t.Errorf("set aside of %s: %+v, %v", name, s, err)
		}
	}
}
