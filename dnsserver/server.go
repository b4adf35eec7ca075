package dnsserver

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
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
	MaxTCP    int                     // most TCP connections at once; 0: DefaultMaxTCP
	Explain   func(zones.Name) string // for CHAOS TXT; may be nil
	ExplainTo []netip.Prefix          // who gets it; nil: loopback
	Cookies   *edge.Jar               // nil: no cookies
	Limiter   *edge.Limiter           // of responses over UDP; nil: no limit
	Logger    *slog.Logger            // nil: silent
	Seed      uint64                  // of the draws: rotation and weights
}

// DefaultMaxTCP bounds TCP connections: each costs some 20 kB.
const DefaultMaxTCP = 1024

// A Server answers queries on its listeners.
type Server struct {
	cfg       Config
	logger    *slog.Logger
	listeners []*listener
	times     tcpTimes
	slots     chan struct{} // one for each TCP connection; full: new ones are closed and counted
	stats     stats
	draws     atomic.Uint64 // state of splitmix64
	began     time.Time     // the origin of the Limiter's clock

	mu    sync.Mutex
	conns map[*tcpConn]struct{} // mu protects it: those to wake on drain
	drain bool                  // mu protects it: new connections end at once
}

// New binds all listeners, or none; an error says what to do about it. They answer once Serve runs, which
// also closes them.
func New(cfg Config) (*Server, error) {
	if cfg.MaxTCP == 0 {
		cfg.MaxTCP = DefaultMaxTCP
	}
	s := &Server{cfg: cfg, logger: cfg.Logger, began: time.Now(), times: defaultTimes, slots: make(chan struct{}, cfg.MaxTCP), conns: map[*tcpConn]struct{}{}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.draws.Store(cfg.Seed)
	var err error
	if s.listeners, err = listen(cfg.Listen); err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the listeners of a Server that is not to serve.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		l.close()
	}
	return nil
}

// Serve answers until ctx is done, and for the time of Lameduck after that; then it finishes what it has
// begun, closes its listeners and returns nil.
func (s *Server) Serve(ctx context.Context) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, l := range s.listeners {
		for range max(2, runtime.GOMAXPROCS(0)) {
			wg.Go(func() { s.serveUDP(l, stop) })
		}
		wg.Go(func() { s.serveTCP(l, stop) })
	}
	wg.Go(func() { s.watchLimits(stop) })
	<-ctx.Done()
	if s.cfg.Lameduck > 0 {
		s.logger.Info("answering on before shutdown", "lameduck", s.cfg.Lameduck)
		<-time.After(s.cfg.Lameduck)
	}
	close(stop)
	past := time.Unix(1, 0)
	for _, l := range s.listeners {
		_ = l.udp.SetReadDeadline(past) // what is being answered is still written
		_ = l.tcp.SetDeadline(past)
	}
	s.mu.Lock()
	s.drain = true
	for c := range s.conns {
		_ = c.SetReadDeadline(past)
	}
	s.mu.Unlock()
	wg.Wait()
	return s.Close()
}
