package edge_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"vitalns/dnsserver/edge"
)

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeader is a header with a body, which holds addresses, ports and TLVs.
func proxyHeader(command, family byte, body string) []byte {
	h := append([]byte(proxySignature), 0x20|command, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(body))), body...)
}

func TestReadProxy(t *testing.T) {
	const tooMuch = 1 << 15
	var (
		four   = "\xc0\x00\x02\x07\xcb\x00\x71\x01\x04\x00\x00\x35"
		asked6 = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x53" + "\x04\x00\x00\x35"
		six    = "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07" + asked6
		mapped = strings.Repeat("\x00", 10) + "\xff\xff\x7f\x00\x00\x01" + asked6
		loop6  = strings.Repeat("\x00", 15) + "\x01" + asked6
		loop4  = "\x7f\x00\x00\x01" + four[4:]
		tlv    = "\x04\x00\x03abc"
	)
	for _, tt := range []struct {
		what   string
		in     []byte
		client string // "": none is named
		err    string
	}{
		{what: "UDP over IPv4", in: proxyHeader(1, 0x12, four), client: "192.0.2.7"},
		{what: "TCP over IPv4, with more about the client", in: proxyHeader(1, 0x11, four+tlv), client: "192.0.2.7"},
		{what: "TCP over IPv6", in: proxyHeader(1, 0x21, six), client: "2001:db8::7"},
		{what: "local: a health check of the proxy", in: proxyHeader(0, 0, "")},
		{what: "local, with addresses that do not count", in: proxyHeader(0, 0x11, four)},
		{what: "no family", in: proxyHeader(1, 0, tlv)},
		{what: "loopback of another host", in: proxyHeader(1, 0x12, loop4), client: "0.0.0.0"},
		{what: "loopback over IPv6", in: proxyHeader(1, 0x22, loop6), client: "::"},
		{what: "loopback as a mapped address", in: proxyHeader(1, 0x22, mapped), client: "0.0.0.0"},
		{what: "nothing", in: nil, err: "cut short"},
		{what: "a query without header", in: bytes.Repeat([]byte{1}, 40), err: "no PROXY header"},
		{what: "version 1", in: []byte("PROXY TCP4 192.0.2.7 192.0.2.53 4711 53\r\n"), err: "version 1"},
		{what: "version 1, first bytes", in: []byte("PROXY TCP4"), err: "version 1"},
		{what: "version 3", in: append([]byte(proxySignature), 0x31, 0x11, 0, 12), err: "no PROXY header"},
		{what: "unknown command", in: proxyHeader(2, 0x11, four), err: "unknown command"},
		{what: "unix socket", in: proxyHeader(1, 0x31, strings.Repeat("x", 216)), err: "no IP address"},
		{what: "half of the addresses", in: proxyHeader(1, 0x21, four), err: "cut short"},
		{what: "cut", in: proxyHeader(1, 0x11, four)[:20], err: "cut short"},
		{what: "too long", in: proxyHeader(1, 0x11, strings.Repeat("x", tooMuch)), err: "too long"},
	} {
		const query = "the query behind it"
		in := tt.in
		if tt.err == "" {
			in = append(in[:len(in):len(in)], query...)
		}
		client, size, err := edge.ReadProxy(in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v, %d, %v, want %q", tt.what, client, size, err, tt.err)
			}
			continue
		}
		want := netip.Addr{}
		if tt.client != "" {
			want = netip.MustParseAddr(tt.client)
		}
		if err != nil || client != want || string(in[size:]) != query {
			t.Errorf("%s: got %v, %q, %v, want %v", tt.what, client, in[size:], err, want)
		}
	}
}

// FuzzReadProxy: a header is read as far as it says and no further; it never names loopback; and what is
// behind it does not matter.
func FuzzReadProxy(f *testing.F) {
	f.Add(proxyHeader(1, 0x11, "\xc0\x00\x02\x07\xcb\x00\x71\x01\x04\x00\x00\x35\x04\x00\x01x"))
	f.Add(proxyHeader(1, 0x22, strings.Repeat("\x00", 15)+"\x01"+strings.Repeat("\x00", 20)))
	f.Add(proxyHeader(0, 0, ""))
	f.Fuzz(func(t *testing.T, in []byte) {
		client, size, err := edge.ReadProxy(in)
		if err != nil {
			if size != 0 || client.IsValid() {
				t.Fatalf("%x: %v with %v, %d", in, err, client, size)
			}
			return
		}
		if want := edge.ProxyFixed + int(in[14])<<8 + int(in[15]); size != want || size > len(in) || size > edge.MaxProxy {
			t.Fatalf("%x: size %d, want %d", in, size, want)
		}
		if client.IsLoopback() || client.Is4In6() {
			t.Fatalf("%x: %v", in, client)
		}
		again, n, err := edge.ReadProxy(append(bytes.Clone(in[:size]), "behind"...))
		if again != client || n != size || err != nil {
			t.Fatalf("%x: alone it is %v, %d, %v", in, again, n, err)
		}
	})
}
