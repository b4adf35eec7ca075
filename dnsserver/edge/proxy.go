package edge

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// ProxyFixed is how much of a PROXY header says how long it is, MaxProxy how long one may be: what senders
// add about the client (TLVs) takes some hundred bytes.
const (
	ProxyFixed = 16
	MaxProxy   = 2048
)

// What may be wrong with a PROXY header.
var (
	errProxyShort   = errors.New("the PROXY header is cut short")
	errProxyNone    = errors.New("no PROXY header of version 2")
	errProxyText    = errors.New("a PROXY header of version 1: only version 2 is read")
	errProxyLong    = errors.New("the PROXY header is too long")
	errProxyCommand = errors.New("the PROXY header has an unknown command")
	errProxyFamily  = errors.New("the PROXY header has no IP address")
)

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyText      = "PROXY "
)

// ProxySize returns how long the PROXY header is that begins with these ProxyFixed bytes.
func ProxySize(b []byte) (int, error) {
	switch {
	case len(b) >= len(proxyText) && string(b[:len(proxyText)]) == proxyText:
		return 0, errProxyText
	case len(b) < ProxyFixed:
		return 0, errProxyShort
	case string(b[:len(proxySignature)]) != proxySignature || b[12]>>4 != 2:
		return 0, errProxyNone
	}
	size := ProxyFixed + int(binary.BigEndian.Uint16(b[14:]))
	if size > MaxProxy {
		return 0, errProxyLong
	}
	return size, nil
}

// ReadProxy reads the PROXY header, version 2, that b begins with (section 2.2 of HAProxy's
// proxy-protocol.txt) and returns the address of the client and how long the header is. The address is
// the zero Addr where the header names none, so that the client is whoever sent it: command LOCAL, and
// family UNSPEC. TLVs are skipped.
//
// The loopback address of another host is nobody's here: it is returned as the unspecified address of its
// family, so that no right that loopback has can be had by a header.
func ReadProxy(b []byte) (client netip.Addr, size int, err error) {
	const local, proxied = 0, 1
	const unspec, inet, inet6 = 0, 1, 2
	if size, err = ProxySize(b); err != nil {
		return netip.Addr{}, 0, err
	}
	if size > len(b) {
		return netip.Addr{}, 0, errProxyShort
	}
	body := b[ProxyFixed:size]
	switch command, family := b[12]&0xf, b[13]>>4; {
	case command == local, command == proxied && family == unspec:
		return netip.Addr{}, size, nil
	case command != proxied:
		return netip.Addr{}, 0, errProxyCommand
	case family == inet && len(body) >= 2*(4+2):
		client = netip.AddrFrom4([4]byte(body))
	case family == inet6 && len(body) >= 2*(16+2):
		client = netip.AddrFrom16([16]byte(body)).Unmap()
	case family == inet || family == inet6:
		return netip.Addr{}, 0, errProxyShort
	default:
		return netip.Addr{}, 0, errProxyFamily
	}
	if client.IsLoopback() {
		if client.Is4() {
			return netip.IPv4Unspecified(), size, nil
		}
		return netip.IPv6Unspecified(), size, nil
	}
	return client, size, nil
}
