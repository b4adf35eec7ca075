package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"vitalns/test/live"
)

// A backend is a child process that answers HTTP on an address of its own.
type backend struct {
	addr  netip.AddrPort
	stage *live.Stage
	proc  *live.Process
}

// serveBackend is what the child does.
func serveBackend(addr string) error {
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // who asked may have gone
	}))
}

// start starts it and waits until it accepts connections.
func (b *backend) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.proc, err = b.stage.Start(self, "-backend", b.addr.String()); err != nil {
		return err
	}
	for {
		c, err := net.DialTimeout("tcp", b.addr.String(), time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-b.proc.Done():
			return fmt.Errorf("backend %s: %s", b.addr, b.proc.Output())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(live.Every):
		}
	}
}

// A fault is a way to fail, and its end.
type fault struct {
	name  string
	what  string
	begin func(*backend) error
	end   func(context.Context, *backend) error
	must  must
}

// must is what is to be reached: the time until the last node's answer has changed.
type must struct{ median, max time.Duration }

var faults = []fault{
	{
		name: "refuse", what: "a backend is killed with SIGKILL, connections are refused",
		begin: func(b *backend) error { return b.proc.Signal(syscall.SIGKILL) },
		end: func(ctx context.Context, b *backend) error {
			return errors.Join(b.proc.Kill(), b.start(ctx))
		},
		must: must{median: 500 * time.Millisecond, max: 900 * time.Millisecond},
	},
	{
		name: "hang", what: "a backend is stopped with SIGSTOP, connections are accepted and nothing comes",
		begin: func(b *backend) error { return b.proc.Signal(syscall.SIGSTOP) },
		end:   func(_ context.Context, b *backend) error { return b.proc.Signal(syscall.SIGCONT) },
		must:  must{median: 1600 * time.Millisecond, max: 1900 * time.Millisecond},
	},
}

// mustAgree is what is to be reached between the first node's changed answer and the last's.
var mustAgree = must{median: 5 * time.Millisecond, max: 50 * time.Millisecond}
