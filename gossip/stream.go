package gossip

import (
	"net"
	"strconv"
	"sync"

	"github.com/hashicorp/memberlist"
)

// maxParcels bounds what waits for the stream to one member. A heartbeat replaces one that waits; of
// anything else the newest is dropped and counted.
const maxParcels = 32

// A parcel is a message that goes by a stream of its own.
type parcel struct {
	kind   kind
	build  func() []byte // called when it is sent
	failed func()        // nil: heartbeats and pulls repair it
}

// streams sends parcels: to each member one after another, to different members side by side. It has a
// goroutine for a member as long as something waits for it.
type streams struct {
	mesh *Mesh
	wg   sync.WaitGroup

	mu     sync.Mutex // protects the fields below; not held while sending
	queues map[string][]parcel
	closed bool
}

func (s *streams) send(to route, p parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	q, running := s.queues[to.name]
	if p.kind == kindHeartbeat {
		for i := range q {
			if q[i].kind == kindHeartbeat {
				q[i] = p
				return
			}
		}
	}
	if len(q) >= maxParcels {
		s.mesh.counts.dropped[dropStream].Add(1)
		return
	}
	if s.queues == nil {
		s.queues = make(map[string][]parcel)
	}
	s.queues[to.name] = append(q, p)
	if !running {
		s.wg.Go(func() { s.run(to) })
	}
}

// run sends what waits for one member.
func (s *streams) run(to route) {
	node := &memberlist.Node{Name: to.name, Addr: net.IP(to.ip), Port: to.port}
	for {
		p, ok := s.next(to.name)
		if !ok {
			return
		}
		msg := p.build()
		if err := s.mesh.list.SendReliable(node, msg); err != nil {
			s.mesh.counts.dropped[dropSend].Add(1)
			if p.failed != nil {
				p.failed()
			}
			continue
		}
		s.mesh.counts.sent[p.kind].count(len(msg))
	}
}

func (s *streams) next(name string) (parcel, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if len(q) == 0 || s.closed {
		delete(s.queues, name)
		return parcel{}, false
	}
	s.queues[name] = q[1:]
	return q[0], true
}

// close drops what waits. What is being sent ends by itself.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func joinHostPort(ip net.IP, port uint16) string {
	return net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
}
