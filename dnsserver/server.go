package dnsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// A Config is what a Server needs.
type Config struct {
	Listen    []string                // ADDRESS:PORT each, UDP and TCP; no address: every one, of both families
	Table     func() *zones.Table     // called once per query
	NSID      string                  // the node's name
	Version   string                  // for CHAOS version.bind; "" refuses
	UDPSize   uint16                  // most sent over UDP; 0: DefaultUDPSize
	Lameduck  time.Duration           // how long Serve goes on answering after it is told to stop
	Explain   func(zones.Name) string // for CHAOS TXT; may be nil
	ExplainTo []netip.Prefix          // who gets it; nil: loopback
	Cookies   *edge.Jar               // nil: no cookies
	Limiter   *edge.Limiter           // of responses over UDP; nil: no limit
	Fast      func() Fast             // makes the fast path of one goroutine; nil: Respond answers all
	Logger    *slog.Logger            // nil: silent
	Seed      uint64                  // of the draws: rotation and weights

	TLS         []string     // as Listen, DNS over TLS
	HTTPS       []string     // as Listen, DNS over HTTPS
	Certificate *Certificate // of these two; nil: there are none of them

	Proxy     []string       // those of the addresses above where a PROXY header comes first
	ProxyFrom []netip.Prefix // who may send one

	MaxStreams   int           // most connections at once, of all kinds; 0: DefaultMaxStreams
	MaxPerClient int           // most of them from one address, or one /64 of IPv6; 0: DefaultMaxPerClient
	Lifetime     time.Duration // of one connection; 0: DefaultLifetime
}

// Bounds of the connections that are open at once. What happens at them is told at crowd. One that idles
// costs some 10 kB over TCP, 27 over TLS, 35 over HTTPS. No resolver needs more than a few, a farm of them behind one
// address a few for each.
const (
	DefaultMaxStreams   = 4096
	DefaultMaxPerClient = 256
)

// otherFiles is how many descriptors are left to the rest of the program: probes, gossip, zone files.
const otherFiles = 512

// A Server answers queries on its listeners.
type Server struct {
	cfg       Config
	logger    *slog.Logger
	listeners []*listener
	times     streamTimes
	crowd     *crowd
	web       *web
	dot, doh  *tls.Config
	stats     stats
	proxyLog  logTurn
	began     time.Time // the origin of the Limiter's clock
	places    register

	workersMu sync.Mutex // protects the rest
	workers   []*worker
	free      []*worker // those that streams may borrow
}

// New binds all listeners, or none; an error says what to do about it. They answer once Serve runs, which
// also closes them.
func New(cfg Config) (*Server, error) {
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	if cfg.MaxPerClient == 0 {
		cfg.MaxPerClient = DefaultMaxPerClient
	}
	if len(cfg.TLS)+len(cfg.HTTPS) > 0 && cfg.Certificate == nil {
		return nil, errors.New("DNS over TLS or HTTPS needs a certificate")
	}
	s := &Server{cfg: cfg, logger: cfg.Logger, began: time.Now(), times: defaultTimes}
	if cfg.Lifetime > 0 {
		s.times.life = cfg.Lifetime
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	most := min(cfg.MaxStreams, roomForStreams())
	if most < cfg.MaxStreams {
		s.logger.Warn("fewer connections than configured: the system allows no more open files", "connections", most, "configured", cfg.MaxStreams)
	}
	s.crowd = newCrowd(most, cfg.MaxPerClient)
	var err error
	if s.listeners, err = listen(cfg); err != nil {
		return nil, err
	}
	s.sizeBuffers()
	if cfg.Certificate != nil {
		s.dot, s.doh = cfg.Certificate.config(alpnDoT), cfg.Certificate.config(alpnDoH...)
	}
	if len(cfg.HTTPS) > 0 {
		s.web = newWeb(s)
	}
	return s, nil
}

// roomForStreams is how many connections there can be. The limit of open files is the hard one: package
// os has raised the soft one to it.
func roomForStreams() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return DefaultMaxStreams
	}
	all := int(min(files.Cur, 1<<30))
	return max(all-otherFiles, all/2, 1)
}

// Close closes the listeners of a Server that is not to serve.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		l.close()
	}
	return nil
}

// Reload takes up at once what the server otherwise looks for every few seconds: a new certificate.
func (s *Server) Reload() {
	if s.cfg.Certificate != nil {
		s.cfg.Certificate.refresh(s.logger)
	}
}

// Serve answers until ctx is done, and for the time of Lameduck after that; then it finishes what it has
// begun, closes its listeners and returns nil.
func (s *Server) Serve(ctx context.Context) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, l := range s.listeners {
		for _, u := range l.udp {
			wg.Go(func() { u.serve(s, l, stop) })
		}
		wg.Go(func() { s.serveStreams(l, stop) })
	}
	if s.web != nil {
		wg.Go(func() { _ = s.web.http.Serve(s.web) }) // ends with ErrServerClosed
	}
	if s.cfg.Certificate != nil {
		wg.Go(func() { s.cfg.Certificate.watch(ctx, s.logger) })
	}
	wg.Go(func() { s.watchLimits(stop) })
	<-ctx.Done()
	if s.cfg.Lameduck > 0 {
		s.logger.Info("answering on before shutdown", "lameduck", s.cfg.Lameduck)
		<-time.After(s.cfg.Lameduck)
	}
	close(stop)
	for _, l := range s.listeners {
		for _, u := range l.udp {
			u.interrupt()
		}
		_ = l.tcp.SetDeadline(past)
	}
	s.crowd.drain(s.times.grace)
	if s.web != nil {
		s.web.shutdown(ctx)
	}
	wg.Wait()
	return s.Close()
}
