package gossip_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vitalns/checks"
	"vitalns/gossip"
	"vitalns/test/simnet"
)

// On a network that loses nothing every register reaches every node within two delays of its publishing,
// also while heartbeats go back and forth.
func TestPublishReachesAll(t *testing.T) {
	for _, size := range []int{5, 20, 50} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const delay = 50 * time.Millisecond
				nw := simnet.New(1)
				nw.SetDelay(delay, 0)
				nodes := cluster(t, nw, size)
				beat(nodes, 10*time.Second)
				wantAlive(t, nodes, size)
				published := time.Now()
				for i, n := range nodes {
					n.mesh.Publish([]checks.Register{register(fmt.Sprintf("of-%d", i), i)})
				}
				beat(nodes, 5*time.Second)
				var worst time.Duration
				for i := range nodes {
					for j, n := range nodes {
						if i == j {
							continue
						}
						a, ok := n.have(fmt.Sprintf("of-%d", i))
						if !ok {
							t.Fatalf("%s has not heard of what %s published", nameOf(j), nameOf(i))
						}
						worst = max(worst, a.at.Sub(published))
					}
				}
				if worst > 2*delay {
					t.Errorf("the last register took %v, want at most %v", worst, 2*delay)
				}
				for i, n := range nodes {
					for j := range nodes {
						if i != j && n.counter(nameOf(j)) == 0 {
							t.Errorf("%s has not heard %s", nameOf(i), nameOf(j))
						}
					}
				}
				if _, largest := nw.Packets(); largest > 1200 {
					t.Errorf("a datagram of %d bytes, want at most 1200", largest)
				}
				finish(t, nodes...)
			})
		})
	}
}

// With 30 % of the packets lost all the members stay, and what the repeats and gossip do not carry within
// a second is rare.
func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10
		nw := simnet.New(2)
		nw.SetDelay(20*time.Millisecond, 20*time.Millisecond)
		nw.SetLoss(0.3)
		nodes := cluster(t, nw, size)
		beat(nodes, 20*time.Second)
		missing := 0
		for round := range 20 {
			key := fmt.Sprint("round-", round)
			nodes[round%size].mesh.Publish([]checks.Register{register(key, round%size)})
			beat(nodes, time.Second)
			for _, n := range nodes {
				if _, ok := n.have(key); !ok {
					missing++
				}
			}
		}
		if missing -= 20; missing > 2 { // no node hears its own
			t.Errorf("%d of 180 registers had not arrived after a second", missing)
		}
		for i, n := range nodes {
			if got := len(n.alive()); got < size-1 {
				t.Errorf("%s has %d live members of %d", nameOf(i), got, size)
			}
		}
		finish(t, nodes...)
	})
}

// Two halves that have long forgotten each other are one cluster within 15 s of the healing.
func TestLongPartition(t *testing.T) {
	for _, apart := range []time.Duration{5 * time.Second, 25 * time.Second, 10 * time.Minute} {
		t.Run(apart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nw := simnet.New(3)
				nw.SetDelay(20*time.Millisecond, 5*time.Millisecond)
				nodes := cluster(t, nw, 5)
				beat(nodes, 10*time.Second)
				wantAlive(t, nodes, 5)
				// Both join addresses are in the first half: the second knows them, the first knows of the
				// second only by memory.
				nw.Partition([]string{addrOf(0), addrOf(1)})
				beat(nodes, apart)
				if apart > time.Minute {
					wantAlive(t, nodes[:2], 2)
					wantAlive(t, nodes[2:], 3)
				}
				for _, n := range nodes[:2] {
					n.mesh.SetLocal([]checks.Register{register("while apart", 0)}, time.Now())
				}
				nw.Heal()
				beat(nodes, 15*time.Second)
				wantAlive(t, nodes, 5)
				if apart > time.Minute {
					carried := false
					for _, n := range nodes[2:] {
						_, ok := n.have("while apart")
						carried = carried || ok
					}
					if !carried {
						t.Error("joining again did not carry the state")
					}
				}
				finish(t, nodes...)
			})
		})
	}
}

// A node that joins is given everything, older by the time it waited.
func TestJoinCarriesState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(4)
		first := start(t, nw, gossip.Config{Node: "a", Bind: addrOf(0)})
		r := register("key", 0)
		r.Age, r.Left = time.Minute, time.Hour
		first.mesh.SetLocal([]checks.Register{r}, time.Now())
		time.Sleep(10 * time.Second)
		second := start(t, nw, gossip.Config{Node: "b", Bind: addrOf(1), Join: []string{addrOf(1), addrOf(0)}})
		time.Sleep(time.Second)
		got, ok := second.have("key")
		if !ok || got.Age != 70*time.Second || got.Left != time.Hour-10*time.Second {
			t.Errorf("got %+v, %v", got, ok)
		}
		states := look(second, func(n *node) []gossip.Message { return slices.Clone(n.states) })
		if len(states) == 0 || states[0].From != "a" || states[0].State.Owner != "" {
			t.Errorf("got states %+v", states)
		}
		finish(t, first, second)
	})
}

// Pulls and replies go both ways: small ones by datagram, large ones by stream.
func TestPullReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(5)
		nw.SetDelay(10*time.Millisecond, 0)
		nodes := cluster(t, nw, 2)
		beat(nodes, 3*time.Second)
		nodes[0].mesh.Pull(checks.Pull{From: nameOf(1), Owner: nameOf(1)})
		beat(nodes, time.Second)
		pulls := look(nodes[1], func(n *node) []gossip.Message { return slices.Clone(n.pulls) })
		if len(pulls) != 1 || pulls[0].From != nameOf(0) || pulls[0].Pull.Owner != nameOf(1) {
			t.Fatalf("got pulls %+v", pulls)
		}
		streams := nodes[1].mesh.Stats().StreamsSent
		nodes[1].mesh.Reply(nameOf(0), gossip.State{Owner: nameOf(1), Incarnation: 7, Registers: []checks.Register{register("one", 1)}})
		beat(nodes, time.Second)
		if got := nodes[1].mesh.Stats().StreamsSent - streams; got != 0 {
			t.Errorf("a small state took %d streams", got)
		}
		nodes[1].mesh.Reply(nameOf(0), gossip.State{Owner: nameOf(1), Incarnation: 7, Registers: many(1000)})
		nodes[1].mesh.Reply("nobody", gossip.State{})
		beat(nodes, time.Second)
		if got := len(lastState(nodes[0])); got != 1000 {
			t.Errorf("got %d registers, want 1000", got)
		}
		if got := nodes[1].mesh.Stats().Dropped["unknown member"]; got != 1 {
			t.Errorf("%d dropped for an unknown member, want 1", got)
		}
		finish(t, nodes...)
	})
}

// What is too large for a datagram, and what is too much for datagrams, goes by stream.
func TestLargeAndMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(11)
		nw.SetDelay(10*time.Millisecond, 0)
		nodes := cluster(t, nw, 3)
		beat(nodes, 5*time.Second)
		large := register("large", 0)
		large.Payload = make([]byte, checks.MaxPayload)
		nodes[0].mesh.Publish([]checks.Register{large, register("small", 0)})
		beat(nodes, time.Second)
		before, _ := nw.Packets()
		nodes[1].mesh.Publish(many(10000))
		time.Sleep(100 * time.Millisecond)
		if after, largest := nw.Packets(); after-before > 100 || largest > 1200 {
			t.Errorf("10,000 registers took %d datagrams, the largest %d bytes", after-before, largest)
		}
		for _, key := range []string{"large", "small", "http 203.0.113.10:9999"} {
			if _, ok := nodes[2].have(key); !ok {
				t.Errorf("%s did not arrive", key)
			}
		}
		if got, _ := nodes[2].have("large"); len(got.Payload) != checks.MaxPayload {
			t.Errorf("a payload of %d bytes arrived", len(got.Payload))
		}
		finish(t, nodes...)
	})
}

func many(n int) []checks.Register {
	rs := make([]checks.Register, n)
	for i := range rs {
		rs[i] = register(fmt.Sprintf("http 203.0.113.10:%d", i), 1)
	}
	return rs
}

func lastState(n *node) []checks.Register {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.states) == 0 {
		return nil
	}
	return n.states[len(n.states)-1].State.Registers
}

// Where one protocol is lost the other carries what it can: heartbeats and news by TCP, states by UDP.
func TestOneProtocol(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost simnet.Proto
	}{{"no UDP", simnet.UDP}, {"no TCP", simnet.TCP}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nw := simnet.New(6)
				nw.SetDelay(10*time.Millisecond, 0)
				nodes := cluster(t, nw, 3)
				beat(nodes, 10*time.Second)
				nw.Cut("", "", tt.lost)
				beat(nodes, time.Minute)
				wantAlive(t, nodes, 3)
				last := nodes[0].counter(nameOf(1))
				nodes[1].mesh.Publish([]checks.Register{register("news", 1)})
				nodes[1].mesh.Reply(nameOf(0), gossip.State{Owner: nameOf(1), Registers: many(100)})
				beat(nodes, 5*time.Second)
				if nodes[0].counter(nameOf(1)) < last+4 {
					t.Error("heartbeats do not get through")
				}
				for _, key := range []string{"news", "http 203.0.113.10:99"} {
					if _, ok := nodes[0].have(key); !ok {
						t.Errorf("%s did not get through", key)
					}
				}
				nw.Heal()
				beat(nodes, 10*time.Second)
				if nodes[0].member(t, nameOf(1)).Streams {
					t.Error("streams go on after the healing")
				}
				finish(t, nodes...)
			})
		})
	}
}

// Where UDP passes in one direction only, the node that hears nothing says so by using TCP, and is
// answered by TCP.
func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(7)
		nodes := cluster(t, nw, 2)
		beat(nodes, 5*time.Second)
		nw.Cut(addrOf(0), addrOf(1), simnet.UDP)
		beat(nodes, time.Minute)
		last := nodes[1].counter(nameOf(0))
		beat(nodes, 5*time.Second)
		if nodes[1].counter(nameOf(0)) < last+4 {
			t.Error("heartbeats do not get through")
		}
		finish(t, nodes...)
	})
}

// A machine that goes silent fails; one that leaves has left, at once; either comes back.
func TestFailAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(8)
		nodes := cluster(t, nw, 4)
		beat(nodes, 5*time.Second)
		nw.Down(addrOf(3))
		beat(nodes[:3], 5*time.Second)
		if got := nodes[0].member(t, nameOf(3)).State; got != gossip.Suspect && got != gossip.Failed {
			t.Errorf("a silent node is %v after 5 s", got)
		}
		beat(nodes[:3], 25*time.Second)
		if got := nodes[0].member(t, nameOf(3)).State; got != gossip.Failed {
			t.Errorf("a silent node is %v after 30 s", got)
		}
		nw.Up(addrOf(3))
		nodes[2].close(t)
		beat(nodes[:2], time.Second)
		if got := nodes[0].member(t, nameOf(2)).State; got != gossip.Left {
			t.Errorf("a node that left is %v", got)
		}
		again := start(t, nw, gossip.Config{Node: nameOf(2), Bind: addrOf(2), Join: []string{addrOf(0)}})
		nodes[2] = again
		beat(nodes, 15*time.Second)
		wantAlive(t, nodes, 4)
		finish(t, nodes...)
	})
}

// A node that was killed comes back under its name at another address.
func TestNewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(9)
		nodes := cluster(t, nw, 3)
		beat(nodes, 5*time.Second)
		nw.Down(addrOf(2))
		moved := start(t, nw, gossip.Config{Node: nameOf(2), Bind: addrOf(9), Join: []string{addrOf(0)}})
		beat([]*node{nodes[0], nodes[1], moved}, 20*time.Second)
		if got := nodes[0].member(t, nameOf(2)); got.State != gossip.Alive || got.Addr != addrOf(9) {
			t.Errorf("got %+v", got)
		}
		finish(t, append(nodes, moved)...)
	})
}

// Two nodes of one name: both are told both addresses, and the members show it. The second is told that the
// name is taken and says nothing that could be taken for the first's, its farewell included; what was shown of
// it goes away.
func TestDuplicateName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(10)
		nodes := cluster(t, nw, 3)
		beat(nodes, 5*time.Second)
		clone := start(t, nw, gossip.Config{Node: nameOf(2), Bind: addrOf(9), Join: []string{addrOf(0), addrOf(1)}})
		clone.mesh.Publish([]checks.Register{register("of the clone", 2)})
		clone.mesh.SetLocal([]checks.Register{register("also", 2)}, time.Now())
		for range 10 {
			for i, n := range nodes {
				n.beatOnce(i, 3)
			}
			clone.mesh.Beat(checks.Heartbeat{Node: nameOf(2), Instance: 77, Counter: 1})
			time.Sleep(time.Second)
		}
		conflicts := func(n *node) []gossip.Conflict {
			return look(n, func(n *node) []gossip.Conflict { return slices.Clone(n.conflicts) })
		}
		for _, tt := range []struct {
			n           *node
			addr, other string
		}{{clone, addrOf(9), addrOf(2)}, {nodes[2], addrOf(2), addrOf(9)}, {nodes[0], addrOf(2), addrOf(9)}} {
			want := gossip.Conflict{Node: nameOf(2), Addr: tt.addr, Other: tt.other}
			if got := conflicts(tt.n); len(got) == 0 || got[0] != want {
				t.Errorf("got conflicts %+v, want %+v", got, want)
			}
			want.Taken = true
			if got := slices.Contains(conflicts(tt.n), want); got != (tt.n == clone) {
				t.Errorf("%s at %s is told that its name is taken: %t", nameOf(2), tt.addr, got)
			}
			if got, want := tt.n.member(t, nameOf(2)).Problem, "duplicate name: "+tt.other+" has it too"; got != want {
				t.Errorf("got problem %q, want %q", got, want)
			}
		}
		clone.close(t)
		for i, n := range nodes {
			_, published := n.have("of the clone")
			_, given := n.have("also")
			if heard := look(n, func(n *node) uint64 { return n.beats[nameOf(2)].Instance }) == 77; heard || published || given {
				t.Errorf("%s has heard the second of the name: heartbeat %t, register %t, state %t", nameOf(i), heard, published, given)
			}
		}
		beat(nodes, 40*time.Second)
		wantAlive(t, nodes, 3)
		for i, n := range nodes {
			if m := n.member(t, nameOf(2)); m.Problem != "" || time.Since(m.Since) < 50*time.Second {
				t.Errorf("%s shows %+v", nameOf(i), m)
			}
		}
		finish(t, nodes...)
	})
}

// A node that comes to another address after it was killed has its name as soon as it knows that nobody
// is at the first.
func TestNewAddressAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := simnet.New(11)
		nodes := cluster(t, nw, 2)
		tr, err := nw.Transport(addrOf(2))
		if err != nil {
			t.Fatal(err)
		}
		old := start(t, nil, gossip.Config{Node: nameOf(2), Bind: addrOf(2), Join: []string{addrOf(0)}, Transport: tr})
		beat(append(nodes, old), 5*time.Second)
		_ = tr.Shutdown() // as SIGKILL does
		moved := start(t, nw, gossip.Config{Node: nameOf(2), Bind: addrOf(9), Join: []string{addrOf(0)}})
		began := time.Now()
		moved.mesh.Publish([]checks.Register{register("moved", 2)})
		time.Sleep(time.Second)
		if got, ok := nodes[0].have("moved"); !ok || got.at.Sub(began) > 100*time.Millisecond {
			t.Errorf("heard: %t, %s after its start", ok, got.at.Sub(began))
		}
		finish(t, append(nodes, moved)...)
		old.stop()
		<-old.done
		time.Sleep(2 * time.Second)
	})
}
