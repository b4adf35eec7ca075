package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// backendCommand is what the demo's backends are: an HTTP server whose answer to /healthz is set by
// POST /mode: "ok", "500", or "refuse NODE" for one that turns one node away by its User-Agent.
func backendCommand(*options) *cobra.Command {
	return orderly(&cobra.Command{
		Use:    "demo-backend ADDRESS NAME",
		Short:  "a backend of the demo",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := net.Listen("tcp", args[0])
			if err != nil {
				return err
			}
			srv := &http.Server{Handler: newBackend(args[1]), ReadHeaderTimeout: time.Second}
			go func() {
				<-c.Context().Done()
				_ = srv.Close() // the process ends
			}()
			if err := srv.Serve(l); c.Context().Err() == nil {
				return err
			}
			return nil
		},
	})
}

func newBackend(name string) http.Handler {
	var mode atomic.Value
	mode.Store("ok")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		m := mode.Load().(string)
		node, refuses := strings.CutPrefix(m, "refuse ")
		switch {
		case m == "500", refuses && strings.Contains(r.UserAgent(), "("+node+")"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, name, "ok")
		}
	})
	mux.HandleFunc("POST /mode", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(io.LimitReader(r.Body, 256))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mode.Store(string(raw))
	})
	return mux
}

// mode tells a backend how to answer from now on.
func (b *backend) mode(ctx context.Context, mode string) error {
	req, err := http.NewRequestWithContext(ctx, "POST", fmt.Sprintf("http://127.0.0.1:%d/mode", b.port), strings.NewReader(mode))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
