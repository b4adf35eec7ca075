package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"golang.org/x/sync/errgroup"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/gossip"
)

// Options is what `vitalns run` was told. Flags outrank the node file; zones are added to the file's.
type Options struct {
	File     string
	DNS      []string // nil: the file's
	HTTP     string   // "": the file's
	StateDir string   // "": the file's
	Zones    []string
	Version  string
	Stderr   io.Writer // the log, problems, and the line that says where it listens
}

// ErrInvalid says that the configuration has errors, which have been printed.
var ErrInvalid = errors.New("the configuration has errors")

// Serve runs a node in the real world until ctx is done: it reads the files, binds, and serves. SIGHUP
// reloads.
func Serve(ctx context.Context, opt Options) error {
	env := new(probe.Env)
	loader := Loader{Path: opt.File, Zones: opt.Zones, Env: env}
	spare()
	first := lean(loader.Load).withCookies()
	if len(first.Problems) > 0 {
		if err := first.Problems.Format(opt.Stderr); err != nil {
			return err
		}
	}
	if first.Problems.Errors() > 0 {
		return ErrInvalid
	}
	f := opt.apply(first.File)
	first.File = f
	env.UserAgent = fmt.Sprintf("vitalns/%s (%s)", opt.Version, f.Node)
	env.Source, env.Resolver = f.Source, f.Resolver
	log := newLogger(opt.Stderr, f)

	cluster, err := f.cluster()
	if err != nil {
		return err
	}
	store, err := OpenDir(f.StateDir, f.member())
	if err != nil {
		return stateError(err, f.StateDir)
	}
	defer func() { _ = store.Close() }() // the process ends and the lock with it

	b, err := bind(f)
	if err != nil {
		return err
	}
	defer b.close()
	token, err := loadToken(f.TokenFile)
	if err != nil {
		return &Advice{Err: fmt.Errorf("API token: %w", err), Hint: tokenHint}
	}
	seed := randomSeed()
	n := New(Config{Node: f.Node, Site: f.Site, Version: opt.Version, StartGrace: f.StartGrace, Cluster: cluster,
		Meta: gossip.Meta{HTTP: f.HTTP, DNS: f.Listen, Site: f.Site, Version: opt.Version}},
		World{
			Load: func() Loaded {
				l := lean(loader.Load).withCookies()
				l.File = opt.apply(l.File)
				return l
			},
			Settle: settle, Store: store, Boot: bootTime, OwnHost: ownHost, Logger: log, Seed: seed,
			Listen: func(a Answers) (Server, error) { return f.server(a, opt.Version, log) },
		}, first)
	return serveAll(ctx, n, NewAdmin(n, token, n.Registry()), b, log)
}

// serveAll runs the node and its admin HTTP. The admin HTTP opens at once and closes last.
func serveAll(ctx context.Context, n *Node, admin *Admin, b bound, log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	for _, l := range b.listeners {
		log.Info("status, API and metrics", "address", l.Addr())
	}
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stopAdmin()
		return n.Run(ctx)
	})
	g.Go(func() error { return admin.Serve(adminCtx, b.listeners...) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				if _, err := n.Reload(ctx); err != nil && ctx.Err() == nil {
					log.Error("reload", "error", err)
				}
			}
		}
	})
	return g.Wait()
}

// apply returns the file with what the flags say, and with the defaults that depend on the machine.
func (o Options) apply(f *File) *File {
	g := *f
	if o.DNS != nil {
		g.Listen = o.DNS
	}
	if o.HTTP != "" {
		g.HTTP = o.HTTP
	}
	if o.StateDir != "" {
		g.StateDir = o.StateDir
	}
	if g.StateDir == "" {
		g.StateDir = userStateDir(o.Zones)
	}
	if g.Node == "" {
		g.Node = hostName()
	}
	return &g
}

// userStateDir is where a daemon without a node file keeps its state: per user, and keyed by its zones,
// so that two of them do not meet unless they serve the same.
func userStateDir(files []string) string {
	h := sha256.New()
	for _, name := range files {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
		fmt.Fprintln(h, name)
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = filepath.Join(os.TempDir(), "vitalns-"+strconv.Itoa(os.Getuid()))
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "vitalns", hex.EncodeToString(h.Sum(nil)[:6]))
}

func stateError(err error, dir string) error {
	if errors.Is(err, ErrLocked) {
		return &Advice{Err: err, Hint: "stop the other one, or give this one its own with --state-dir"}
	}
	if errors.Is(err, os.ErrPermission) {
		return &Advice{Err: err, Hint: "choose another one with --state-dir or `state_dir`"}
	}
	return fmt.Errorf("state directory %s: %w", dir, err)
}

// Advice is an error with a way out.
type Advice struct {
	Err  error
	Hint string
}

func (a *Advice) Error() string { return a.Err.Error() }
func (a *Advice) Unwrap() error { return a.Err }

// cluster reads the keys.
func (f *File) cluster() (*Cluster, error) {
	if f.Cluster == nil {
		return nil, nil
	}
	c := &Cluster{Bind: f.Cluster.Bind, Join: f.Cluster.Join, Nodes: f.Cluster.Nodes, Counted: f.Cluster.Counted, Name: f.Cluster.Name, VoteExpiry: f.Cluster.VoteExpiry}
	if f.Cluster.KeyFile == "" {
		return c, nil
	}
	keys, err := gossip.LoadKeys(f.Cluster.KeyFile)
	if err != nil {
		return nil, &Advice{Err: fmt.Errorf("cluster key: %w", err), Hint: keyHint}
	}
	c.Keys = keys
	return c, nil
}

// member is the node's name to its peers; "" without any.
func (f *File) member() string {
	if f.Cluster == nil {
		return ""
	}
	return f.Node
}

// leastToken is how short a token may be: one that can be guessed is none.
const leastToken = 16

// loadToken reads an API token.
func loadToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(raw))
	switch {
	case len(token) < leastToken:
		return "", fmt.Errorf("token file %s: fewer than %d characters", path, leastToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("token file %s: a token is one word of ASCII", path)
	}
	return token, nil
}

// bound are the listeners of the admin HTTP.
type bound struct{ listeners []net.Listener }

func bind(f *File) (bound, error) {
	var b bound
	if f.HTTP != "" {
		l, err := ListenHTTP(f.HTTP)
		if err != nil {
			return b, err
		}
		b.listeners = append(b.listeners, l)
	}
	if control := f.controlPath(); control != "" {
		l, err := ListenControl(control)
		if err != nil {
			b.close()
			return b, err
		}
		b.listeners = append(b.listeners, l)
	}
	return b, nil
}

// controlPath is the control socket. The default one of a daemon without a node file is the user's; a
// second such daemon takes one of its own beside it, which --server names.
func (f *File) controlPath() string {
	if f.Path != "" || f.Control == "" || !answered(f.Control) {
		return f.Control
	}
	return filepath.Join(filepath.Dir(f.Control), filepath.Base(f.StateDir)+".sock")
}

func (b bound) close() {
	for _, l := range b.listeners {
		_ = l.Close() // closed twice where it has been served
	}
}

func newLogger(w io.Writer, f *File) *slog.Logger {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		level = slog.LevelInfo // the file has been checked
	}
	opts := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// ownHost returns a predicate for targets on this host, as its interfaces are now: a loopback address, or
// one of an interface.
func ownHost() func(checks.Target) bool {
	own := map[netip.Addr]bool{}
	addrs, _ := net.InterfaceAddrs() // an error: only loopback is known to be here
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return func(t checks.Target) bool {
		a := t.Addr()
		return a.IsLoopback() || own[a]
	}
}

func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:])
}
