package node

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"vitalns/zones/zonefile"
)

// hostPort reports a value that is no HOST:PORT. The usual port is for the hint.
func hostPort(v *zonefile.Value, usual string) (host string, port uint16, ok bool) {
	var s string
	if !v.Address(&s) {
		return "", 0, false
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		v.Error(addressHint(s, usual), "%q is no address with a port", s)
		return "", 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		v.Error("ports are numbers up to 65535, as "+usual, "%q: %q is no port", s, text)
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Trim(host, "0123456789.:") == "" && host != "" {
		v.Error("", "%q: %q is no IP address", s, host)
		return "", 0, false
	}
	return host, uint16(n), true
}

// others returns how many of the addresses to join are not this node's own, each counted once.
func others(join []string, bind string) int {
	seen := map[string]bool{plainAddress(bind): true}
	for _, addr := range join {
		seen[plainAddress(addr)] = true
	}
	return len(seen) - 1
}

// plainAddress returns an address in the one form that it is compared in.
func plainAddress(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
	}
	return strings.ToLower(s)
}

func addressHint(s, port string) string {
	if strings.Trim(s, "0123456789") == "" && s != "" {
		return fmt.Sprintf("write \"ADDRESS:%s\"", s)
	}
	s = strings.Trim(s, "[]")
	whole, err := netip.ParseAddr(s)
	// An IPv6 address with its port behind it and no brackets around it: it may read as a whole address.
	if i := strings.LastIndexByte(s, ':'); i > 0 && (err != nil || s[i+1:] == port) {
		if a, err := netip.ParseAddr(s[:i]); err == nil && a.Is6() {
			return fmt.Sprintf("write %q", net.JoinHostPort(s[:i], s[i+1:]))
		}
	}
	if err == nil {
		return fmt.Sprintf("write %q", net.JoinHostPort(whole.String(), port))
	}
	if strings.Contains(s, ":") {
		return fmt.Sprintf("write \"ADDRESS:%s\", an IPv6 address in brackets", port)
	}
	return fmt.Sprintf("write %q", s+":"+port)
}

// ipAddress reports a value that is no IP:PORT.
func ipAddress(v *zonefile.Value, usual string) (netip.AddrPort, bool) {
	host, port, ok := hostPort(v, usual)
	if !ok {
		return netip.AddrPort{}, false
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		v.Error(fmt.Sprintf("write an address, as \"192.0.2.53:%d\"", port), "%q is no IP address", host)
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a, port), true
}

// ownAddress reports a value that nothing can listen on: an IP address of this host, "localhost", or
// nothing for all of them, with a port.
func ownAddress(v *zonefile.Value, usual string) {
	host, port, ok := hostPort(v, usual)
	if !ok || host == "" || host == "localhost" {
		return
	}
	if _, err := netip.ParseAddr(host); err != nil {
		v.Error(fmt.Sprintf("write an address of this host, or \":%d\" for all of them", port), "%q is no IP address", host)
	}
}
