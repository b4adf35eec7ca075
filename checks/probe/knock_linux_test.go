package probe

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A target's program is not disturbed by probes of its port alone, and nothing of them waits for it: what it
// accepts first, and all that fits its backlog, are others.
func TestKnockIsNotAccepted(t *testing.T) {
	for _, tt := range []struct {
		listen string
		source []netip.Addr
	}{
		{"127.0.0.1:0", nil},
		{"127.0.0.1:0", []netip.Addr{netip.MustParseAddr("127.0.0.9")}},
		{"[::1]:0", nil},
	} {
		l, err := net.Listen("tcp", tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		to := netip.MustParseAddrPort(l.Addr().String())
		env, c := &Env{Source: tt.source}, configured(t, "tcp", number("port", 1))
		for range 5000 { // more than a backlog holds
			expectResult(t, run(t, c, env, to, long), "ok")
		}
		guest, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		host, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if host.RemoteAddr().String() != guest.LocalAddr().String() {
			t.Errorf("%v: %s is accepted, not %s", tt, host.RemoteAddr(), guest.LocalAddr())
		}
		for _, c := range []io.Closer{guest, host, l} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Over a way that is slow and loses the first packet: SYN, SYN, then a reset as soon as that is granted.
func TestKnockFromAfar(t *testing.T) {
	ip := iproute2(t)
	inNamespace(t, func() {
		for _, args := range []string{
			"link set lo up", "link add va type veth peer name vb", "link set va up", "link set vb up",
			"address add 192.0.2.1/24 dev va", "neighbour add 192.0.2.7 lladdr 02:00:00:00:00:07 dev va",
			"address add 2001:db8::1/64 dev va nodad", "neighbour add 2001:db8::7 lladdr 02:00:00:00:00:07 dev va",
		} {
			if out, err := exec.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Skipf("needs a kernel with veth and the right to make links: ip %s: %v: %s", args, err, out)
			}
		}
		for _, to := range []string{"192.0.2.7:80", "[2001:db8::7]:80"} {
			seen := make(chan []byte, 3)
			wire := listenWire(t, "vb")
			go func() {
				defer close(seen)
				for n := range 3 {
					frame := wire.tcp()
					if frame == nil {
						return
					}
					seen <- frame.tcp()
					if n == 1 {
						wire.send(t, frame.granted())
					}
				}
			}()
			expectResult(t, run(t, configured(t, "tcp", number("port", 1)), &Env{}, netip.MustParseAddrPort(to), long), "ok")
			var flags []byte
			for segment := range seen {
				flags = append(flags, segment[13]&(flagSYN|flagRST))
			}
			if want := []byte{flagSYN, flagSYN, flagRST}; !slices.Equal(flags, want) {
				t.Errorf("%s: segments with flags %x, want %x", to, flags, want)
			}
			wire.close()
		}
	})
}

const (
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// A wire is the far end of a link, on which nobody lives.
type wire struct {
	fd int
	to unix.SockaddrLinklayer
}

func listenWire(t *testing.T, name string) *wire {
	t.Helper()
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Fatal(err)
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{fd, unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}}
	patience := unix.NsecToTimeval((10 * time.Second).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &w.to); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wire) close() { _ = unix.Close(w.fd) } // nothing is on its way

func (w *wire) send(t *testing.T, f frame) {
	if err := unix.Sendto(w.fd, f, 0, &w.to); err != nil {
		t.Error(err)
	}
}

// tcp returns the next frame that has a TCP segment; nil: none comes.
func (w *wire) tcp() frame {
	for {
		buf := make(frame, 1600)
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil {
			return nil
		}
		if f := buf[:n]; n >= 14+40 && (f.is6() && f[14+6] == unix.IPPROTO_TCP || f.is4() && f[14+9] == unix.IPPROTO_TCP) {
			return f
		}
	}
}

// A frame is one of Ethernet with IPv4 without options, or IPv6.
type frame []byte

func (f frame) is4() bool { return binary.BigEndian.Uint16(f[12:]) == unix.ETH_P_IP }
func (f frame) is6() bool { return binary.BigEndian.Uint16(f[12:]) == unix.ETH_P_IPV6 }

// tcp is the segment in it.
func (f frame) tcp() []byte {
	if f.is4() {
		return f[14+20:]
	}
	return f[14+40:]
}

// granted is the frame that grants the connection for which this one asks.
func (f frame) granted() frame {
	const size = 20 // of a segment without options
	out := slices.Clone(f[:len(f)-len(f.tcp())+size])
	swap(out[0:6], out[6:12])
	seg := out.tcp()
	swap(seg[0:2], seg[2:4])
	binary.BigEndian.PutUint32(seg[8:], binary.BigEndian.Uint32(seg[4:])+1)
	seg[12], seg[13] = size/4<<4, flagSYN|flagACK
	seg[16], seg[17] = 0, 0
	addrs := out[22:54]
	if out.is4() {
		swap(out[26:30], out[30:34])
		binary.BigEndian.PutUint16(out[16:], 20+size)
		out[24], out[25] = 0, 0
		binary.BigEndian.PutUint16(out[24:], checksum(out[14:34]))
		addrs = out[26:34]
	} else {
		swap(out[22:38], out[38:54])
		binary.BigEndian.PutUint16(out[18:], size)
	}
	binary.BigEndian.PutUint16(seg[16:], checksum(slices.Concat(addrs, []byte{0, unix.IPPROTO_TCP, 0, size}, seg)))
	return out
}

func swap(a, b []byte) {
	was := slices.Clone(a)
	copy(a, b)
	copy(b, was)
}
