package dnsserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

func crowded(s *Server, from string) *stream {
	_, conn := net.Pipe()
	st := &stream{Conn: conn, via: TCP, server: s}
	if from != "" {
		st.client = netip.MustParseAddr(from)
	}
	return st
}

// When all is taken the one that was in longest without asking gives way; a client that has its share
// makes nobody give way.
func TestCrowd(t *testing.T) {
	s := &Server{crowd: newCrowd(3, 2)}
	c := s.crowd
	enter := func(st *stream, wantVictim *stream, want ending) {
		t.Helper()
		victim, why, ok := c.enter(st)
		if victim != wantVictim || ok != (want == 0) || why != want {
			t.Errorf("%v: got %v, %s, %v", st.client, victim, why, ok)
		}
	}
	a1, a2, b := crowded(s, "192.0.2.1"), crowded(s, "192.0.2.1"), crowded(s, "2001:db8:0:1::1")
	enter(a1, nil, 0)
	enter(a2, nil, 0)
	enter(crowded(s, "192.0.2.1"), nil, endCrowded)
	enter(b, nil, 0)
	c.use(a1)
	b2, b3 := crowded(s, "2001:db8:0:1:ffff::"), crowded(s, "2001:db8:0:1::3")
	enter(b2, a2, 0)
	enter(b3, nil, endCrowded) // the same /64
	a3 := crowded(s, "192.0.2.1")
	enter(a3, b, 0) // a2 has gone
	c.use(b)        // has no effect on one that is out
	c.leave(b)
	enter(crowded(s, "192.0.2.1"), nil, endCrowded)
	c.leave(a1)
	enter(crowded(s, "192.0.2.1"), nil, 0)

	// One that is introduced by a proxy counts once its client is known.
	p := crowded(s, "")
	enter(p, b2, 0)
	if c.claim(p, netip.MustParseAddr("192.0.2.1")) {
		t.Error("a third of one client was let in by a proxy")
	}
	c.leave(p)
	p = crowded(s, "")
	enter(p, nil, 0)
	if !c.claim(p, netip.MustParseAddr("192.0.2.9")) || c.clients[netip.MustParsePrefix("192.0.2.9/32")] != 1 {
		t.Errorf("not counted: %v", c.clients)
	}
	for v := c.yield(); v != nil; v = c.yield() {
		if c.claim(v, netip.MustParseAddr("192.0.2.9")) {
			t.Error("counted for one that is out")
		}
	}
	if len(c.clients) != 0 {
		t.Errorf("left behind: %v", c.clients)
	}
}

// Whatever comes and goes, nobody has more than allowed, and what is counted is what is in.
func TestCrowdAdds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := &Server{crowd: newCrowd(20, 5)}
	var all []*stream
	for step := range 20000 {
		switch rnd.IntN(4) {
		case 0, 1:
			st := crowded(s, fmt.Sprintf("192.0.2.%d", rnd.IntN(8)))
			if _, _, ok := s.crowd.enter(st); ok {
				all = append(all, st)
			}
		case 2:
			if len(all) > 0 {
				s.crowd.use(all[rnd.IntN(len(all))])
			}
		case 3:
			if len(all) > 0 {
				i := rnd.IntN(len(all))
				s.crowd.leave(all[i])
				all[i] = all[len(all)-1]
				all = all[:len(all)-1]
			}
		}
		in := map[netip.Prefix]int{}
		n := 0
		for e := s.crowd.byUse.Front(); e != nil; e = e.Next() {
			in[clientPrefix(e.Value.(*stream).client)]++
			n++
		}
		if n > 20 || n != s.crowd.through[TCP] || fmt.Sprint(in) != fmt.Sprint(s.crowd.clients) {
			t.Fatalf("step %d: %d in, counted %v and %v, are %v", step, n, s.crowd.through, s.crowd.clients, in)
		}
		for p, n := range in {
			if n > 5 {
				t.Fatalf("step %d: %d of %s", step, n, p)
			}
		}
	}
}
