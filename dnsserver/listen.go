package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A listener is one address, over UDP and TCP, or for connections with TLS alone.
type listener struct {
	udp      []*udpSocket // none: TLS, HTTPS
	tcp      *net.TCPListener
	via      Transport // how queries come over its connections
	wildcard bool      // replies have to name the address that was asked
	proxied  bool      // a PROXY header comes first
}

func (l *listener) close() {
	for _, u := range l.udp {
		_ = u.Close() // closing a socket that only listened loses nothing
	}
	_ = l.tcp.Close()
}

// receiveBuffer holds the queries that arrive while the process waits for a CPU: some thousands, a tenth of
// a second at 100,000 a second. What does not fit the kernel drops, whoever sent it.
const receiveBuffer = 8 << 20

// listen binds every address, or none.
func listen(cfg Config) ([]*listener, error) {
	var all []*listener
	for via, addrs := range [transports][]string{TCP: cfg.Listen, TLS: cfg.TLS, HTTPS: cfg.HTTPS} {
		for _, addr := range addrs {
			ls, err := listenAll(addr, Transport(via))
			for _, l := range ls {
				l.proxied = slices.Contains(cfg.Proxy, addr)
			}
			if all = append(all, ls...); err != nil {
				for _, l := range all {
					l.close()
				}
				return nil, err
			}
		}
	}
	return all, nil
}

// listenAll binds one address, or all where it names none. After an error what it returns is to be closed.
func listenAll(addr string, via Transport) (all []*listener, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: want ADDRESS:PORT: %w", addr, err)
	}
	hosts := []string{host}
	if host == "" {
		hosts = []string{"0.0.0.0", "::"} // each family by itself, so that no address is a mapped one
	}
	for i, host := range hosts {
		l, err := listenBoth(host, port, via)
		if i > 0 && errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // a host without IPv6 serves IPv4
		}
		if err != nil {
			return all, err
		}
		all = append(all, l)
		if port == "0" {
			port = fmt.Sprint(l.tcp.Addr().(*net.TCPAddr).Port)
		}
	}
	return all, nil
}

// listenBoth binds one address over TCP and UDP, to one port where the system is to choose it.
func listenBoth(host, port string, via Transport) (*listener, error) {
	const tries = 20
	for try := 1; ; try++ {
		l, err := listenOnce(host, port, via)
		if err == nil || port != "0" || try == tries {
			return l, err
		}
	}
}

func listenOnce(host, port string, via Transport) (*listener, error) {
	ta, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", net.JoinHostPort(host, port), err)
	}
	family := "6"
	if ta.IP.To4() != nil {
		family = "4"
	}
	// A connection whose client has gone is closed when it idles: probes of TCP itself cost more.
	quiet := net.ListenConfig{KeepAlive: -1}
	quiet.SetMultipathTCP(false)                                              // nor do queries move between networks
	tcp, err := quiet.Listen(context.Background(), "tcp"+family, ta.String()) // it waits for nothing
	if err != nil {
		return nil, explainListen("tcp", ta.AddrPort(), err)
	}
	l := &listener{tcp: tcp.(*net.TCPListener), via: via, wildcard: ta.IP.IsUnspecified()}
	if via != TCP {
		return l, nil
	}
	bound := tcp.Addr().(*net.TCPAddr).AddrPort()
	if l.udp, err = listenUDP("udp"+family, netip.AddrPortFrom(bound.Addr().WithZone(ta.Zone), bound.Port()), l.wildcard); err != nil {
		l.close()
		return nil, explainListen("udp", ta.AddrPort(), err)
	}
	return l, nil
}

// listenUDP binds the sockets of an address, which with destinations say of each query where it was sent to.
// The first is bound as its only one, so that an address that somebody else has is not shared with him.
// After an error what it returns is to be closed.
func listenUDP(network string, addr netip.AddrPort, destinations bool) (all []*udpSocket, err error) {
	var shared net.ListenConfig
	for len(all) < socketsPerAddress() {
		conn, err := shared.ListenPacket(context.Background(), network, addr.String()) // it waits for nothing
		if err != nil {
			return all, err
		}
		u, err := prepare(conn.(*net.UDPConn), network, destinations)
		if err != nil {
			return all, err
		}
		all = append(all, u)
		shared.Control = func(_, _ string, raw syscall.RawConn) error { return share(raw) }
	}
	return all, nil
}

// prepare makes a socket of a connection, which is closed.
func prepare(conn *net.UDPConn, network string, destinations bool) (*udpSocket, error) {
	var err error
	if socketsPerAddress() > 1 {
		var raw syscall.RawConn
		if raw, err = conn.SyscallConn(); err == nil {
			err = share(raw)
		}
	}
	switch {
	case err != nil:
	case destinations && network == "udp6":
		err = ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	case destinations:
		err = ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	}
	if err != nil {
		_ = conn.Close() // the error at hand says more
		return nil, fmt.Errorf("set up the socket: %w", err)
	}
	return takeUDP(conn)
}

// sizeBuffers makes room for queries that wait, and says if the system has less than it should.
func (s *Server) sizeBuffers() {
	least := receiveBuffer
	for _, l := range s.listeners {
		for _, u := range l.udp {
			least = min(least, u.setReceiveBuffer(receiveBuffer))
		}
	}
	if least < receiveBuffer {
		s.logger.Warn("small receive buffers: queries that arrive in a burst may be lost", "bytes", least,
			"hint", fmt.Sprintf("sysctl -w net.core.rmem_max=%d", receiveBuffer))
	}
}

// explainListen says what to do about a listener that could not be opened.
func explainListen(network string, addr netip.AddrPort, err error) error {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()) // as the user wrote it
	var hint []string
	var reason error
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = syscall.EADDRINUSE
		hint = append(hint, fmt.Sprintf("another program has this port: `ss -lnp sport = :%d` names it", addr.Port()))
		if addr.Port() == 53 {
			hint = append(hint, "systemd-resolved holds port 53 on 127.0.0.53: listen on the host's own address, or set DNSStubListener=no in resolved.conf")
		}
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		reason = syscall.EACCES
		hint = append(hint, "ports below 1024 need CAP_NET_BIND_SERVICE: run under systemd with AmbientCapabilities=CAP_NET_BIND_SERVICE, or `setcap cap_net_bind_service=+ep` on the binary, or choose a higher port")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = syscall.EADDRNOTAVAIL
		hint = append(hint, "no interface of this host has this address: see `ip address`")
	default:
		return fmt.Errorf("listen on %s %s: %w", network, addr, err)
	}
	return fmt.Errorf("listen on %s %s: %w\nhint: %s", network, addr, reason, strings.Join(hint, "\nhint: "))
}

// Addrs returns the addresses that are listened on over UDP and TCP alike.
func (s *Server) Addrs() []netip.AddrPort { return s.AddrsOf(UDP) }

// AddrsOf returns the addresses that are listened on for one transport.
func (s *Server) AddrsOf(via Transport) []netip.AddrPort {
	var out []netip.AddrPort
	for _, l := range s.listeners {
		if l.via == max(via, TCP) {
			out = append(out, l.tcp.Addr().(*net.TCPAddr).AddrPort())
		}
	}
	return out
}
