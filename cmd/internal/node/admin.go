package node

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// SystemSocket is where a daemon that was started with a node file listens for commands by default.
const SystemSocket = "/run/vitalns/vitalns.sock"

// UserSocket is where one that was started without listens: in the per-user runtime directory.
func UserSocket() string { return filepath.Join(userRuntimeDir(), "vitalns.sock") }

func userRuntimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "vitalns")
	}
	return filepath.Join(os.TempDir(), "vitalns-"+strconv.Itoa(os.Getuid()))
}

// Limits of the admin HTTP: a body above maxRequest is refused, a connection above maxAdmin waits to be
// accepted.
const (
	maxRequest   = 1 << 20
	maxAdmin     = 256
	headerWithin = 5 * time.Second
	idleFor      = 60 * time.Second
)

// Admin is the admin HTTP of a node. It speaks before the node is ready, and while it stops.
type Admin struct {
	node  *Node
	token string // needed for changes and plans unless over the unix socket; "" refuses them there
	mux   *http.ServeMux
}

// trustKey marks a request that came over the unix socket, whose file permissions are its guard.
type trustKey struct{}

// NewAdmin returns the admin HTTP of n. The registry is what /metrics shows.
func NewAdmin(n *Node, token string, registry *prometheus.Registry) *Admin {
	a := &Admin{node: n, token: token, mux: http.NewServeMux()}
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	a.mux.HandleFunc("GET /livez", a.livez)
	a.mux.HandleFunc("GET /readyz", a.readyz)
	a.mux.HandleFunc("GET /api/v1/status", a.status)
	a.mux.HandleFunc("GET /api/v1/events", a.events)
	a.mux.HandleFunc("GET /api/v1/explain", a.explain)
	a.mux.HandleFunc("GET /api/v1/members", a.members)
	a.mux.HandleFunc("GET /api/v1/overrides", a.overrides)
	a.mux.HandleFunc("GET /api/v1/plan", a.guarded(a.plan)) // it shows lines of files, and reads them all
	a.mux.HandleFunc("POST /api/v1/overrides", a.guarded(a.override))
	a.mux.HandleFunc("POST /api/v1/failback", a.guarded(a.failback))
	a.mux.HandleFunc("POST /api/v1/reload", a.guarded(a.reload))
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		get := r.Clone(r.Context())
		get.Method = http.MethodGet
		if _, pattern := a.mux.Handler(get); pattern != "/" {
			w.Header().Set("Allow", "GET")
			refuse(w, http.StatusMethodNotAllowed, r.Method+" is not for "+r.URL.Path, "it answers GET")
			return
		}
		refuse(w, http.StatusNotFound, "nothing at "+r.URL.Path, "/livez, /readyz, /metrics and /api/v1/{status,events,explain,members,overrides,plan,reload} are there")
	})
	return a
}

// Serve answers on the listeners until ctx is done. Those on a unix socket are trusted.
func (a *Admin) Serve(ctx context.Context, listeners ...net.Listener) error {
	srv := &http.Server{
		Handler: a.mux, ReadHeaderTimeout: headerWithin, IdleTimeout: idleFor, MaxHeaderBytes: 32 << 10,
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(ctx, trustKey{}, l.Addr().Network() == "unix")
		},
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- srv.Serve(limit(l, maxAdmin)) }()
	}
	var err error
	waiting := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-failed:
		waiting--
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close() // those who still follow events are cut off
	}
	for ; waiting > 0; waiting-- {
		if serr := <-failed; err == nil {
			err = serr
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// guarded lets through what came over the unix socket or carries the token.
func (a *Admin) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.trusts(r):
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			next(w, r)
		case a.token == "":
			refuse(w, http.StatusForbidden, "changes and plans over HTTP need a token, and this node has none",
				"use the unix socket (--server unix:///...), or set [http] token_file in the node file")
		default:
			refuse(w, http.StatusUnauthorized, "wrong or missing token", "give it with --token-file or VITALNS_TOKEN_FILE")
		}
	}
}

func (a *Admin) trusts(r *http.Request) bool {
	if trusted, _ := r.Context().Value(trustKey{}).(bool); trusted {
		return true
	}
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && a.token != "" && subtle.ConstantTimeCompare([]byte(got), []byte(a.token)) == 1
}

// discreet leaves its place of what is said of a problem: the rest may quote the file, which need not be one
// that strangers may read.
func discreet(problem string) string {
	if place, _, ok := strings.Cut(problem, ": error: "); ok {
		return place + ": error"
	}
	return problem
}

func (a *Admin) livez(w http.ResponseWriter, r *http.Request) {
	if err := a.node.call(r.Context(), func(time.Time) {}); err != nil {
		refuse(w, http.StatusServiceUnavailable, "the loop does not answer", "")
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := a.node.Waiting(); why != "" {
		refuse(w, http.StatusServiceUnavailable, "not ready: "+why, "")
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *Admin) status(w http.ResponseWriter, r *http.Request) {
	s, err := a.node.Status(r.Context())
	if !a.trusts(r) {
		s.Config.Error = discreet(s.Config.Error)
	}
	reply(w, s, err)
}

func (a *Admin) members(w http.ResponseWriter, r *http.Request) {
	m, err := a.node.Members(r.Context())
	reply(w, m, err)
}

func (a *Admin) overrides(w http.ResponseWriter, _ *http.Request) {
	reply(w, a.node.Overrides(), nil)
}

func (a *Admin) plan(w http.ResponseWriter, r *http.Request) {
	p, err := a.node.Plan(r.Context())
	replyReload(w, p, err)
}

func (a *Admin) reload(w http.ResponseWriter, r *http.Request) {
	p, err := a.node.Reload(r.Context())
	replyReload(w, p, err)
}

func (a *Admin) explain(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	e, err := a.node.Explain(r.Context(), q.Get("name"), q.Get("type"), q.Get("from"))
	reply(w, e, err)
}

func (a *Admin) override(w http.ResponseWriter, r *http.Request) {
	var req OverrideRequest
	if !read(w, r, &req) {
		return
	}
	written, err := a.node.Override(r.Context(), req)
	reply(w, written, err)
}

func (a *Admin) failback(w http.ResponseWriter, r *http.Request) {
	var req FailbackRequest
	if !read(w, r, &req) {
		return
	}
	written, err := a.node.Failback(r.Context(), req)
	reply(w, written, err)
}

// events lists the history, or with follow=1 goes on with one event a line.
func (a *Admin) events(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	trusted := a.trusts(r)
	show := func(e Event) (Event, bool) {
		if e.Kind == "reload" && !trusted {
			e.Text = discreet(e.Text)
		}
		pool := q.Get("pool")
		return e, pool == "" || e.Pool == pool || e.Zone+"/"+e.Pool == pool ||
			slices.ContainsFunc(e.Targets, func(t string) bool { return strings.Contains("/"+t, "/"+pool+"/") })
	}
	if q.Get("follow") != "1" {
		all, _ := a.node.events.since(0)
		list := Events{Schema: Schema, Events: []Event{}}
		for _, e := range all {
			if e, ok := show(e); ok {
				list.Events = append(list.Events, e)
			}
		}
		reply(w, list, nil)
		return
	}
	if !a.node.events.follow() {
		refuse(w, http.StatusServiceUnavailable, "too many follow the events already", "")
		return
	}
	defer a.node.events.release()
	a.follow(w, r, show)
}

func (a *Admin) follow(w http.ResponseWriter, r *http.Request, show func(Event) (Event, bool)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	var last uint64
	if all, _ := a.node.events.since(0); len(all) > 0 {
		last = all[len(all)-1].Seq
	}
	for {
		news, more := a.node.events.since(last)
		for _, e := range news {
			last = e.Seq
			if e, ok := show(e); ok && out.Encode(e) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// A refusal is an error that says what to answer over HTTP; any other error is a 500.
type refusal struct {
	code int
	text string
	hint string
}

func (e *refusal) Error() string { return e.text }

func badRequest(hint, format string, args ...any) error {
	return &refusal{code: http.StatusBadRequest, text: fmt.Sprintf(format, args...), hint: hint}
}

func reply(w http.ResponseWriter, v any, err error) {
	r := new(refusal)
	switch {
	case errors.As(err, &r):
		refuse(w, r.code, r.text, r.hint)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error(), "")
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // who asked has gone
	}
}

// replyReload makes it plain to those who only look at the code that the files have errors.
func replyReload(w http.ResponseWriter, r Reload, err error) {
	if err == nil && !r.Valid {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(r) // who asked has gone
		return
	}
	reply(w, r, err)
}

func refuse(w http.ResponseWriter, code int, text, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(Problem{Schema: Schema, Error: text, Hint: hint}) // who asked has gone
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, "body: "+err.Error(), "")
		return false
	}
	return true
}
