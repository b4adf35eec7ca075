package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"vitalns/checks"
)

// A finding is an error that already knows what it says about the target.
type finding struct {
	kind   checks.ResultKind
	reason string
}

func (f *finding) Error() string { return f.reason }

func failed(format string, args ...any) error {
	return &finding{checks.Failed, fmt.Sprintf(format, args...)}
}

func void(format string, args ...any) error {
	return &finding{checks.Void, fmt.Sprintf(format, args...)}
}

// A phase says when an error came, for those that need it to be understood: "timeout in the TLS
// handshake". An error without a phase came while connecting.
type phase struct {
	when string
	err  error
}

func (p *phase) Error() string { return p.err.Error() + " " + p.when }
func (p *phase) Unwrap() error { return p.err }

func during(when string, err error) error {
	if err == nil {
		return nil
	}
	return &phase{when, err}
}

const (
	inHandshake = "in the TLS handshake"
	awaiting    = "waiting for the answer"
)

// A shot is one probe under way.
type shot struct {
	start    time.Time
	deadline time.Time // zero: none
}

func begin(ctx context.Context) shot {
	deadline, _ := ctx.Deadline()
	return shot{time.Now(), deadline}
}

// end makes the result of what the probe came back with.
func (s shot) end(ctx context.Context, err error) checks.Result {
	now := time.Now()
	r := checks.Result{Kind: checks.OK, Latency: now.Sub(s.start)}
	if err == nil {
		return r
	}
	kind, reason := s.judge(ctx, err, now)
	r.Kind, r.Reason = kind, clean(reason)
	return r
}

func (s shot) judge(ctx context.Context, err error, now time.Time) (checks.ResultKind, string) {
	var when string
	if p, ok := errors.AsType[*phase](err); ok {
		when = " " + p.when
	}
	if f, ok := errors.AsType[*finding](err); ok {
		return f.kind, f.reason
	}
	if isTimeout(err) {
		if errors.Is(ctx.Err(), context.Canceled) {
			return checks.Void, "stopped"
		}
		if late, is := s.late(now); is {
			return checks.Void, fmt.Sprintf("this node is slow: its timer fired %v late", late.Round(time.Millisecond))
		}
		return checks.Failed, "timeout" + when
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return remoteErrno(errno, when)
	}
	if reason := tlsReason(err, now); reason != "" {
		return checks.Failed, reason
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return checks.Failed, "connection closed" + when
	}
	return checks.Failed, err.Error()
}

// late reports by how much the end of the timeout was overslept, and whether that is more than 20 % of
// the timeout: then it says nothing about the target.
func (s shot) late(now time.Time) (time.Duration, bool) {
	if s.deadline.IsZero() {
		return 0, false
	}
	by := now.Sub(s.deadline)
	return by, by > s.deadline.Sub(s.start)/5
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// fromNetwork reports whether reading or writing failed, as opposed to what was read.
func fromNetwork(err error) bool {
	_, isErrno := errors.AsType[syscall.Errno](err)
	_, isOp := errors.AsType[*net.OpError](err)
	return isErrno || isOp || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// localErrno is what a system call said at once, without asking anyone: this node's own trouble, except
// that a closed port on this very host may be known at once.
func localErrno(errno syscall.Errno) error {
	switch errno {
	case syscall.ECONNREFUSED:
		return failed("refused")
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENODEV, syscall.EINVAL:
		return void("no route")
	case syscall.EADDRNOTAVAIL:
		return void("no local port or no source address")
	case syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT:
		return void("this node lacks the address family")
	case syscall.EPERM, syscall.EACCES:
		return void("not permitted on this node: %s", errno.Error())
	case syscall.EMFILE, syscall.ENFILE:
		return void("no file descriptors left on this node")
	case syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN:
		return void("no buffers left on this node")
	}
	return void("this node: %s", errno.Error())
}

// remoteErrno is what came from the network after the connection, or the packet, was under way.
func remoteErrno(errno syscall.Errno, when string) (checks.ResultKind, string) {
	switch errno {
	case syscall.ECONNREFUSED:
		return checks.Failed, "refused"
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return checks.Failed, "connection reset" + when
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN:
		return checks.Failed, "host unreachable"
	case syscall.ENETUNREACH:
		return checks.Failed, "network unreachable"
	case syscall.EACCES, syscall.EPERM:
		return checks.Failed, "prohibited on the way"
	case syscall.ETIMEDOUT:
		return checks.Failed, "timeout" + when
	case syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, syscall.ENETDOWN, syscall.EADDRNOTAVAIL:
		return checks.Void, localErrno(errno).Error()
	}
	return checks.Failed, errno.Error() + when
}

// tlsReason words what crypto/tls and crypto/x509 found; "" for an error of neither.
func tlsReason(err error, now time.Time) string {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch {
		case e.Reason == x509.Expired && e.Cert != nil && now.Before(e.Cert.NotBefore):
			return "certificate not yet valid"
		case e.Reason == x509.Expired:
			return "certificate expired"
		}
		return "certificate invalid: " + strings.TrimPrefix(e.Error(), "x509: ")
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate is not for " + e.Host
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		if e.Cert != nil && string(e.Cert.RawIssuer) == string(e.Cert.RawSubject) {
			return "certificate is self-signed"
		}
		return "certificate of an unknown authority"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate invalid"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "does not speak TLS"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return "refused by TLS alert: " + strings.TrimPrefix(e.Err.Error(), "tls: ")
	}
	if s, ok := strings.CutPrefix(err.Error(), "tls: "); ok {
		return "TLS: " + s
	}
	return ""
}

// clean bounds a reason and leaves only what prints: parts of it may come from a target.
func clean(reason string) checks.Reason {
	reason = checks.Printable(reason)
	if len(reason) <= checks.MaxReason {
		return checks.Reason(reason)
	}
	return checks.Reason(strings.ToValidUTF8(reason[:checks.MaxReason-3], "") + "...")
}
