package live

import (
	"errors"
	"net"
	"sync"
)

// An Acceptor accepts connections for targets that do little else. The zero Acceptor is ready to use.
type Acceptor struct {
	running sync.WaitGroup

	mu        sync.Mutex // protects listeners
	listeners []net.Listener
}

// Accept accepts at l until that or the Acceptor is closed. Connections are handed to serve, which may be
// nil, one after the other, and closed.
func (a *Acceptor) Accept(l net.Listener, serve func(net.Conn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listeners = append(a.listeners, l)
	a.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			if serve != nil {
				serve(c)
			}
			_ = c.Close() // what was to be said is said
		}
	})
}

// Close closes all listeners and waits until none accepts any more.
func (a *Acceptor) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, l := range a.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // by the one who had it accepted
			errs = append(errs, err)
		}
	}
	a.running.Wait()
	return errors.Join(errs...)
}
