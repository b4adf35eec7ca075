package live_test

import (
	"net"
	"testing"

	"go.uber.org/goleak"

	"vitalns/test/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An Acceptor serves who comes, may have a listener closed under it, and leaves nothing behind.
func TestAcceptor(t *testing.T) {
	var a live.Acceptor
	var addrs [3]string
	var open [3]net.Listener
	for i := range addrs {
		addr, err := live.Address("")
		if err != nil {
			t.Fatal(err)
		}
		l, err := live.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		addrs[i], open[i] = addr, l
		serve := func(c net.Conn) { _, _ = c.Write([]byte{byte(i)}) } // the reader below says what came
		a.Accept(l, serve)
	}
	for i, addr := range addrs {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		got := [2]byte{255}
		if n, err := c.Read(got[:]); n != 1 || got[0] != byte(i) {
			t.Errorf("%s says %v, %v", addr, got[:n], err)
		}
		_ = c.Close() // read
	}
	if err := open[1].Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close() // the test has failed
			t.Errorf("%s still accepts", addr)
		}
	}
}
