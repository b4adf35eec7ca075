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
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vitalns/test/live"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vitalns": main, "jsonshape": jsonShape})
}

// Every command is run by a script, against a daemon of its own where it needs one. Scripts have $DNS,
// $HTTP and $GOSSIP (free addresses) and $BACKEND (the port of a backend), and the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../test/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"DNS", "HTTP", "GOSSIP", "DNS2", "HTTP2", "GOSSIP2"} {
				address, err := live.Address("127.0.0.1")
				if err != nil {
					return err
				}
				env.Setenv(name, address)
				env.Setenv(name+"PORT", address[strings.LastIndexByte(address, ':')+1:])
			}
			b := newTestBackend()
			env.Defer(b.srv.Close)
			env.Values[backendKey{}] = b
			env.Setenv("BACKEND", b.port())
			env.Setenv("MEEK", meek)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir+"/run")
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
			env.Setenv("VITALNS_SERVER", "http://"+env.Getenv("HTTP"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "until": until, "backend": setBackend, "shape": shape, "subst": subst, "exits": exits, "replace": replace, "scrub": scrub, "hup": hup, "follow": follow,
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
		cmd.Env = scriptEnv(ts)
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

// replace OLD NEW FILE replaces the text OLD, which must be there, by NEW.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[2])
	raw, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(raw), args[0]) {
		ts.Fatalf("no %q in %s", args[0], args[2])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), args[0], args[1])), 0o600))
}

// follow FILE COMMAND... runs a command in the background with its output in a file, to be looked at while
// it runs, until it ends by itself or the script does.
func follow(ts *testscript.TestScript, _ bool, args []string) {
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), scriptEnv(ts), out, out
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // has ended, most likely
		_ = cmd.Wait()         // killed
		_ = out.Close()        // read already
	})
}

// scriptEnv is the environment of a command that a script does not run by exec.
func scriptEnv(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"PATH", "HOME", "VITALNS_SERVER", "VITALNS_TOKEN_FILE", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// condition knows "meek": setpriv can take away what root may do, and that is what keeps low ports closed.
func condition(cond string) (bool, error) {
	if cond != "meek" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	return err == nil && strings.TrimSpace(string(start)) == "1024" && exec.Command("setpriv", meek, "true").Run() == nil, nil
}

const meek = "--bounding-set=-net_bind_service,-dac_override,-dac_read_search"

// hup sends SIGHUP to the daemon that runs in the background: testscript's own kill knows but two signals.
func hup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

// volatile is what differs from run to run in what people read.
var volatile = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`config [0-9a-f]{8}`), "config DIGEST"},
	{regexp.MustCompile(`serial \d+`), "serial SERIAL"},
	{regexp.MustCompile(`vitalns dev\S*`), "vitalns VERSION"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(d|h|ms|m|s|µs))+\b`), "TIME"},
	{regexp.MustCompile(`  +`), "  "},
}

// scrub replaces what differs from run to run in stdout, and the width of columns with it.
func scrub(ts *testscript.TestScript, _ bool, _ []string) {
	text := ts.ReadFile("stdout")
	for _, v := range volatile {
		text = v.is.ReplaceAllString(text, v.as)
	}
	path := ts.MkAbs(".stdout.txt")
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
	ts.Check(ts.Exec("cat", path))
}

// shape puts the names and types of the JSON in stdout in its place, a line each: values vary, names are
// a contract.
func shape(ts *testscript.TestScript, _ bool, _ []string) {
	path := ts.MkAbs(".stdout.json")
	ts.Check(os.WriteFile(path, []byte(ts.ReadFile("stdout")), 0o600))
	ts.Check(ts.Exec("jsonshape", path))
}

// jsonShape is a command of its own, so that its output is what `cmp stdout` sees.
func jsonShape() {
	raw, err := os.ReadFile(os.Args[1])
	var v any
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "stdout is not JSON: %v\n", err)
		os.Exit(1)
	}
	lines := map[string]bool{}
	draw(lines, "", v)
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		fmt.Println(line)
	}
}

// draw collects the leaves of v. The schema is shown with its value, a list with its items beneath.
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
		line := fmt.Sprintf("%s %T", path, v)
		if path == ".schema" {
			line = fmt.Sprintf("%s = %v", path, v)
		}
		lines[line] = true
	}
}

type backendKey struct{}

// A testBackend answers with a status that scripts set; 0 closes the connection, hang never answers.
type testBackend struct {
	srv    *httptest.Server
	mu     sync.Mutex // protects status
	status int
}

const hang = -1

func newTestBackend() *testBackend {
	b := &testBackend{status: http.StatusOK}
	b.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		status := b.status
		b.mu.Unlock()
		switch status {
		case 0:
			panic(http.ErrAbortHandler)
		case hang:
			<-r.Context().Done()
			return
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
	if args[0] == "hang" {
		b.status = hang
		return
	}
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

// A command that only reads ends at the first signal, whatever it is at: here at input that does not end.
func TestReaderEndsAtFirstSignal(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		defer cancel()
		cmd := exec.CommandContext(ctx, "vitalns", "zone", "import", "-", "--origin", "example.org")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(bytes.Repeat([]byte(";\n"), 1<<20)); err != nil { // more than a pipe holds: it reads
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); ctx.Err() != nil {
			t.Errorf("%v: still there after %v", sig, patient)
		} else if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != sig {
			t.Errorf("%v: %v, want its end by the signal", sig, err)
		}
		_ = in.Close() // Wait has closed it
	}
}
