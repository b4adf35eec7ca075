package node

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A directory in which a stranger could replace the control socket is refused.
func TestControlSocketIsGuarded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sock")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(path); err == nil || !strings.Contains(err.Error(), "may be written by everyone") {
		t.Errorf("in a directory of mode 777: got %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if !OwnSocket(path) {
		t.Error("the socket just made is not ours")
	}
	if OwnSocket(dir) || OwnSocket(path+"x") {
		t.Error("what is no socket is taken for ours")
	}
}

// A second daemon of one user, without a node file, takes a socket of its own.
func TestSecondDaemonHasItsOwnSocket(t *testing.T) {
	dir := t.TempDir()
	f := &File{Control: filepath.Join(dir, "vitalns.sock"), StateDir: "/state/a1b2c3"}
	if got := f.controlPath(); got != f.Control {
		t.Errorf("the first: got %s, want %s", got, f.Control)
	}
	l, err := ListenControl(f.Control)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if got, want := f.controlPath(), filepath.Join(dir, "a1b2c3.sock"); got != want {
		t.Errorf("the second: got %s, want %s", got, want)
	}
	f.Path = "/etc/vitalns/vitalns.toml"
	if got := f.controlPath(); got != f.Control {
		t.Errorf("with a node file: got %s, want what it says, %s", got, f.Control)
	}
}

func TestMethodNotAllowed(t *testing.T) {
	a := NewAdmin(New(Config{}, World{}, Loaded{}), "", nil)
	for path, want := range map[string]int{"/api/v1/status": http.StatusMethodNotAllowed, "/nowhere": http.StatusNotFound} {
		w := httptest.NewRecorder()
		a.mux.ServeHTTP(w, httptest.NewRequest("DELETE", path, nil))
		if w.Code != want {
			t.Errorf("DELETE %s: got %d, want %d", path, w.Code, want)
		}
	}
}

// A plan shows lines of files and reads them all: a stranger gets none, whatever the files hold.
func TestPlanNeedsTheToken(t *testing.T) {
	for _, row := range []struct {
		name, token, given string
		want               int
	}{
		{"no token on the node", "", "", http.StatusForbidden},
		{"none given", "0123456789abcdef", "", http.StatusUnauthorized},
		{"wrong", "0123456789abcdef", "Bearer 0123456789abcdee", http.StatusUnauthorized},
		{"right", "0123456789abcdef", "Bearer 0123456789abcdef", http.StatusUnprocessableEntity},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(b *lab) {
				b.start(Config{StartGrace: time.Second})
				b.mu.Lock()
				b.text = labZone + "secret = 1\n"
				b.mu.Unlock()
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/v1/plan", nil)
				if row.given != "" {
					r.Header.Set("Authorization", row.given)
				}
				NewAdmin(b.node, row.token, prometheus.NewRegistry()).mux.ServeHTTP(w, r)
				if shown := strings.Contains(w.Body.String(), "secret"); w.Code != row.want || shown != (row.want == http.StatusUnprocessableEntity) {
					t.Errorf("got %d, want %d: %s", w.Code, row.want, w.Body)
				}
				b.end()
			})
		})
	}
}

// What a refused reload says of a file may quote it: strangers are told the place.
func TestStrangersAreToldThePlace(t *testing.T) {
	bubble(t, func(b *lab) {
		const token = "0123456789abcdef"
		b.start(Config{StartGrace: time.Second})
		b.mu.Lock()
		b.text = labZone + "secret = 1\n"
		b.mu.Unlock()
		if r, err := b.node.Reload(context.Background()); err != nil || r.Valid {
			t.Fatalf("%+v, %v", r, err)
		}
		admin := NewAdmin(b.node, token, prometheus.NewRegistry())
		for _, path := range []string{"/api/v1/status", "/api/v1/events"} {
			for _, known := range []bool{false, true} {
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
				if known {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				admin.mux.ServeHTTP(w, r)
				if body := w.Body.String(); !strings.Contains(body, "zone.toml:14:1: error") || strings.Contains(body, "secret") != known {
					t.Errorf("%s, with the token %v: %s", path, known, body)
				}
			}
		}
		b.end()
	})
}
