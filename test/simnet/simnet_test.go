package simnet_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vitalns/test/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const a, b, c = "127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"

func open(t *testing.T, n *simnet.Net, addrs ...string) []*simnet.Transport {
	t.Helper()
	ts := make([]*simnet.Transport, len(addrs))
	for i, addr := range addrs {
		tr, err := n.Transport(addr)
		if err != nil {
			t.Fatal(err)
		}
		ts[i] = tr
		t.Cleanup(func() { _ = tr.Shutdown() }) // always nil
	}
	return ts
}

// send sends one packet and returns how long it took to arrive, or -1 if it is lost.
func send(t *testing.T, from, to *simnet.Transport) time.Duration {
	t.Helper()
	sent, err := from.WriteTo([]byte("x"), to.Addr())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-to.PacketCh():
		if p.From.String() != from.Addr() || string(p.Buf) != "x" {
			t.Errorf("got %q from %v", p.Buf, p.From)
		}
		return p.Timestamp.Sub(sent)
	case <-time.After(time.Minute):
		return -1
	}
}

// dial opens a stream and returns both sides of it.
func dial(t *testing.T, from, to *simnet.Transport) (near, far net.Conn) {
	t.Helper()
	near, err := from.DialTimeout(to.Addr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return near, <-to.StreamCh()
}

func dialErr(from *simnet.Transport, to string) error {
	_, err := from.DialTimeout(to, 5*time.Second)
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		ts := open(t, n, a, b, c)
		n.SetDelay(10*time.Millisecond, 0)
		if got := send(t, ts[0], ts[1]); got != 10*time.Millisecond {
			t.Errorf("took %v", got)
		}
		n.SetDelay(10*time.Millisecond, 10*time.Millisecond)
		if got := send(t, ts[0], ts[1]); got < 10*time.Millisecond || got > 20*time.Millisecond {
			t.Errorf("took %v", got)
		}
		n.SetLoss(0.3)
		lost := 0
		for range 1000 {
			if send(t, ts[0], ts[1]) < 0 {
				lost++
			}
		}
		if lost < 250 || lost > 350 {
			t.Errorf("%d of 1000 lost, want about 300", lost)
		}
	})
}

func TestCuts(t *testing.T) {
	type way struct{ from, to int }
	tests := []struct {
		name       string
		do         func(*simnet.Net)
		open, lost []way
		streams    bool // between the first two
	}{
		{"partition", func(n *simnet.Net) { n.Partition([]string{a, b}) }, []way{{0, 1}, {1, 0}}, []way{{0, 2}, {2, 1}}, true},
		{"three parts", func(n *simnet.Net) { n.Partition([]string{a}, []string{b}, []string{c}) }, nil, []way{{0, 1}, {1, 2}, {2, 0}}, false},
		{"one way", func(n *simnet.Net) { n.Cut(a, b, simnet.Both) }, []way{{1, 0}, {0, 2}}, []way{{0, 1}}, false},
		{"one way, UDP", func(n *simnet.Net) { n.Cut(a, b, simnet.UDP) }, []way{{1, 0}}, []way{{0, 1}}, true},
		{"no UDP", func(n *simnet.Net) { n.Cut("", "", simnet.UDP) }, nil, []way{{0, 1}, {1, 2}}, true},
		{"no TCP", func(n *simnet.Net) { n.Cut("", "", simnet.TCP) }, []way{{0, 1}, {1, 2}}, nil, false},
		{"deaf", func(n *simnet.Net) { n.Cut("", b, simnet.UDP) }, []way{{1, 0}, {0, 2}}, []way{{0, 1}, {2, 1}}, true},
		{"off", func(n *simnet.Net) { n.Down(b) }, []way{{0, 2}}, []way{{0, 1}, {1, 0}}, false},
		{"healed", func(n *simnet.Net) { n.Partition([]string{a}); n.Cut("", "", simnet.Both); n.Heal() }, []way{{0, 1}}, nil, true},
		{"on again", func(n *simnet.Net) { n.Down(b); n.Up(b) }, []way{{0, 1}}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simnet.New(1)
				ts := open(t, n, a, b, c)
				tt.do(n)
				for _, w := range tt.open {
					if send(t, ts[w.from], ts[w.to]) < 0 {
						t.Errorf("%v is lost", w)
					}
				}
				for _, w := range tt.lost {
					if send(t, ts[w.from], ts[w.to]) >= 0 {
						t.Errorf("%v passes", w)
					}
				}
				if err := dialErr(ts[0], b); (err == nil) != tt.streams || err != nil && !isTimeout(err) {
					t.Errorf("a stream: %v, want open %v", err, tt.streams)
				}
			})
		})
	}
}

// A stream carries everything in order and ends where its writer closes, late by the delay of the path.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDelay(10*time.Millisecond, 5*time.Millisecond)
		n.SetLoss(0.2)
		ts := open(t, n, a, b)
		near, far := dial(t, ts[0], ts[1])
		if near.RemoteAddr().String() != b || far.RemoteAddr().String() != near.LocalAddr().String() {
			t.Errorf("addresses %v, %v", near.RemoteAddr(), far.RemoteAddr())
		}
		want := ""
		began := time.Now()
		for i := range 50 {
			text := string(rune('a' + i%26))
			want += text
			if _, err := near.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := near.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(far)
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if time.Since(began) < 10*time.Millisecond {
			t.Error("it took no time")
		}
		if _, err := far.Write([]byte("x")); err == nil {
			t.Error("writing to a side that has closed is no error")
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		ts := open(t, n, a, b)
		near, far := dial(t, ts[0], ts[1])
		n.Cut(a, b, simnet.TCP) // what is sent now is lost for good
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := far.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := far.Read(make([]byte, 1))
		if !isTimeout(err) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// Closing ends what waits: a reader, a dialler. The address then refuses, and may be opened again.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		ts := open(t, n, a, b)
		if _, err := n.Transport(a); err == nil {
			t.Error("one address is opened twice")
		}
		near, _ := dial(t, ts[0], ts[1])
		ended := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			ended <- err
		}()
		n.Cut(a, c, simnet.TCP)
		go func() { ended <- dialErr(ts[0], c) }()
		synctest.Wait()
		_ = ts[0].Shutdown() // always nil
		for range 2 {
			if err := <-ended; err == nil {
				t.Error("what waited ended without an error")
			}
		}
		if err := dialErr(ts[1], a); err == nil || isTimeout(err) {
			t.Errorf("dial a closed address: %v, want refused", err)
		}
		if _, err := ts[0].WriteTo([]byte("x"), b); err == nil {
			t.Error("a closed transport writes")
		}
		if _, err := n.Transport(a); err != nil {
			t.Errorf("open again: %v", err)
		}
	})
}
