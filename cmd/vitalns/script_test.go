package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vitalns": main})
}

// Every command is run by a script, against a daemon of its own where it needs one. Scripts have $DNS,
// $HTTP and $GOSSIP (free addresses) and $BACKEND (the port of a backend), and the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../test/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"DNS", "HTTP", "GOSSIP", "DNS2", "HTTP2", "GOSSIP2"} {
				port, err := freePort(0)
				if err != nil {
					return err
				}
				env.Setenv(name, fmt.Sprintf("127.0.0.1:%d", port))
				env.Setenv(name+"PORT", fmt.Sprint(port))
			}
			b := newTestBackend()
			env.Defer(b.srv.Close)
			env.Values[backendKey{}] = b
			env.Setenv("BACKEND", b.port())
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir+"/run")
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
			env.Setenv("VITALNS_SERVER", "http://"+env.Getenv("HTTP"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "until": until, "backend": setBackend, "shape": shape, "subst": subst, "exits": exits,
		},
	})
}

// patient is how long a script waits for what it expects.
const patient = 20 * time.Second

// poll calls f until it reports true or time runs out.
func poll(f func() bool) bool {
	deadline := time.After(patient)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// ready [ADDRESS] waits until the daemon is ready.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	addr := ts.Getenv("HTTP")
	if len(args) > 0 {
		addr = args[0]
	}
	if !poll(func() bool {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close() // only the status counts
		return resp.StatusCode == http.StatusOK
	}) {
		ts.Fatalf("%s is not ready", addr)
	}
}

// until PATTERN COMMAND... runs a command until its output matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	var out []byte
	if !poll(func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "VITALNS_SERVER="+ts.Getenv("VITALNS_SERVER"), "HOME="+ts.Getenv("HOME"))
		out, _ = cmd.CombinedOutput() // what it printed is what counts
		return pattern.Match(out) != neg
	}) {
		ts.Fatalf("%q never printed %q; last:\n%s", args[1:], args[0], out)
	}
}

// exits CODE COMMAND... runs a command and checks its exit code; its output is kept for stdout and stderr.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%q exits %d, want %s", args[1:], code, args[0])
	}
}

// subst FILE... replaces $NAME in files by the script's environment.
func subst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		raw, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(os.Expand(string(raw), ts.Getenv)), 0o600))
	}
}

// shape FILE checks the names and types of the JSON in stdout against a file, a line each: values vary,
// names are a contract.
func shape(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("stdout is not JSON: %v", err)
	}
	lines := map[string]bool{}
	draw(lines, "", v)
	got := strings.Join(slices.Sorted(maps.Keys(lines)), "\n") + "\n"
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("names or types differ from %s; got:\n%s", args[0], got)
	}
}

func draw(lines map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if strings.HasSuffix(path, ".votes") {
				key = "NODE"
			}
			draw(lines, path+"."+key, item)
		}
	case []any:
		lines[path+" []"] = true
		for _, item := range v {
			draw(lines, path+"[]", item)
		}
	case nil:
		lines[path+" null"] = true
	default:
		lines[fmt.Sprintf("%s %T", path, v)] = true
	}
}

type backendKey struct{}

// A testBackend answers /healthz with a status that scripts set; 0 closes the connection.
type testBackend struct {
	srv    *httptest.Server
	mu     sync.Mutex // protects status
	status int
}

func newTestBackend() *testBackend {
	b := &testBackend{status: http.StatusOK}
	b.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		status := b.status
		b.mu.Unlock()
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}))
	return b
}

func (b *testBackend) port() string {
	_, port, err := net.SplitHostPort(b.srv.Listener.Addr().String())
	if err != nil {
		panic(err)
	}
	return port
}

// backend STATUS sets what the backend answers from now on.
func setBackend(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value(backendKey{}).(*testBackend)
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := fmt.Sscan(args[0], &b.status)
	ts.Check(err)
}

// Each command says in its help what it is for, and takes no argument it does not know.
func TestEveryCommandRefusesUnknownFlags(t *testing.T) {
	root := rootCommand()
	for _, c := range root.Commands() {
		var out, errs bytes.Buffer
		if code := Main(t.Context(), []string{c.Name(), "--no-such-flag"}, &out, &errs); code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "hint:") {
			t.Errorf("%s --no-such-flag: exit %d, stdout %q, stderr %q", c.Name(), code, out.String(), errs.String())
		}
	}
}
