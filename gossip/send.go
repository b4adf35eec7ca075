package gossip

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/memberlist"

	"vitalns/checks"
)

// maxFallback bounds the datagrams that carry a state whose stream failed.
const maxFallback = 128

// sendLoop sends what the outbox holds until ctx is done. It is the only goroutine that sends packets of
// our own; streams have one goroutine per member, as each may hang by itself.
func (m *Mesh) sendLoop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l := m.out.take(time.Now())
		m.transmit(l)
		if l.next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(l.next))
		}
		select {
		case <-ctx.Done():
			return
		case <-m.out.wake:
		case <-timer.C:
		}
	}
}

func (m *Mesh) transmit(l load) {
	now := time.Now()
	for _, letter := range l.letters {
		m.deliverLetter(letter, now)
	}
	if l.beat == nil && len(l.news) == 0 && len(l.again) == 0 {
		return
	}
	to := m.peers.routes(now)
	if l.beat != nil {
		m.sendBeat(to, *l.beat, now)
	}
	m.sendNews(to, l, now)
	m.sendPackets(to, m.pack(l.again, now))
}

func (m *Mesh) sendBeat(to []route, h checks.Heartbeat, now time.Time) {
	h.Node = m.cfg.Node
	msg := m.cursor.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, h.Node), h, m.budget)
	for _, r := range append(to, m.peers.shadowRoutes(now)...) {
		m.sendPacket(r, kindHeartbeat, msg)
		if r.stream {
			streamed := append([]byte(nil), msg...)
			streamed[viaOffset] = byte(r.via())
			m.streams.send(r, parcel{kind: kindHeartbeat, build: func() []byte { return streamed }})
		}
	}
}

// viaOffset is where a message says by which way it was sent.
const viaOffset = 2

// sendNews sends registers for the first time: as datagrams, and as one stream each to those whom
// datagrams do not reach, or to all if there is too much of it or one is too large.
func (m *Mesh) sendNews(to []route, l load, now time.Time) {
	small, large := l.news, []*pending(nil)
	if l.bulk {
		small, large = nil, l.news
	} else {
		for _, p := range l.news {
			if !m.fitsPacket(p.Register) {
				large = append(large, p)
			}
		}
	}
	m.sendPackets(to, m.pack(small, now))
	for _, r := range to {
		news := large
		if r.stream {
			news = l.news
		}
		if len(news) > 0 && !r.lost {
			m.streams.send(r, parcel{kind: kindRegisters, build: func() []byte {
				b := appendHead(nil, kindRegisters, r.via(), m.cfg.Node)
				for _, p := range news {
					b = appendRegister(b, p.Register, m.cfg.Node, time.Since(p.at))
				}
				return b
			}})
		}
	}
}

func (m *Mesh) fitsPacket(r checks.Register) bool {
	return registerSize(r) <= m.budget-headSize(m.cfg.Node)
}

// headSize is at least the size of the head of a message.
func headSize(from string) int { return 3 + 2 + len(from) }

// pack encodes registers into as few messages as hold them, each within a datagram. What is larger is
// left out.
func (m *Mesh) pack(ps []*pending, now time.Time) (msgs [][]byte) {
	var b []byte
	for _, p := range ps {
		if !m.fitsPacket(p.Register) {
			continue
		}
		if b == nil {
			b = appendHead(make([]byte, 0, m.budget), kindRegisters, viaPacket, m.cfg.Node)
		}
		before := len(b)
		b = appendRegister(b, p.Register, m.cfg.Node, now.Sub(p.at))
		if len(b) > m.budget {
			msgs = append(msgs, b[:before:before])
			b = appendHead(make([]byte, 0, m.budget), kindRegisters, viaPacket, m.cfg.Node)
			b = appendRegister(b, p.Register, m.cfg.Node, now.Sub(p.at))
		}
	}
	if b != nil {
		msgs = append(msgs, b)
	}
	return msgs
}

func (m *Mesh) sendPackets(to []route, msgs [][]byte) {
	for _, msg := range msgs {
		for _, r := range to {
			m.sendPacket(r, kindRegisters, msg)
		}
	}
}

// sendPacket sends one datagram. memberlist copies msg.
func (m *Mesh) sendPacket(to route, k kind, msg []byte) {
	if err := m.list.SendToAddress(memberlist.Address{Addr: to.addr, Name: to.name}, msg); err != nil {
		m.counts.dropped[dropSend].Add(1)
		return
	}
	m.counts.sent[k].count(len(msg))
}

// deliverLetter sends a pull or a state to one member.
func (m *Mesh) deliverLetter(l letter, now time.Time) {
	to, ok := m.peers.route(l.to, now)
	if !ok {
		m.counts.dropped[dropUnknown].Add(1)
		return
	}
	if l.pull != nil {
		again := m.peers.asked(l.to, l.pull.Owner, now)
		m.sendPacket(to, kindPull, m.pullMessage(*l.pull, viaPacket))
		if again || to.stream {
			v := to.via()
			if again {
				v = viaStream // the answer did not come, so it had better come by stream
			}
			m.streams.send(to, parcel{kind: kindPull, build: func() []byte { return m.pullMessage(*l.pull, v) }})
		}
		return
	}
	size := headSize(m.cfg.Node) + headSize(l.state.Owner) + 10
	for _, r := range l.state.Registers {
		size += registerSize(r)
	}
	if size <= m.budget && !to.stream {
		b, _ := m.stateMessage(l, viaPacket)
		m.sendPacket(to, kindState, b)
		return
	}
	m.streams.send(to, parcel{
		kind: kindState,
		build: func() []byte {
			b, left := m.stateMessage(l, to.via())
			if left == 0 {
				return b
			}
			m.counts.dropped[dropLarge].Add(uint64(left))
			return m.partMessage(l, to.via())
		},
		failed: func() { m.sendParts(to, l) },
	})
}

func (m *Mesh) pullMessage(p checks.Pull, v via) []byte {
	return appendPull(appendHead(nil, kindPull, v, m.cfg.Node), p)
}

func (m *Mesh) stateMessage(l letter, v via) (b []byte, left int) {
	b = appendHead(nil, kindState, v, m.cfg.Node)
	return appendState(b, *l.state, m.cfg.Node, time.Since(l.at))
}

// partMessage is what fits of a state that is too large, as registers that replace nothing.
func (m *Mesh) partMessage(l letter, v via) []byte {
	b := appendHead(nil, kindRegisters, v, m.cfg.Node)
	for _, r := range l.state.Registers {
		if fits(r) && len(b)+registerSize(r) <= maxMessage {
			b = appendRegister(b, r, m.cfg.Node, time.Since(l.at))
		}
	}
	return b
}

// sendParts sends the registers of a state as datagrams, where streams do not get through: they merge
// just the same. When there are too many it starts anywhere, so that the answers to several pulls carry
// them all.
func (m *Mesh) sendParts(to route, l letter) {
	rs := l.state.Registers
	if len(rs) == 0 {
		return
	}
	start := rand.IntN(len(rs))
	ps := make([]*pending, 0, len(rs))
	for i := range rs {
		if r := rs[(start+i)%len(rs)]; fits(r) {
			ps = append(ps, &pending{Register: r, at: l.at})
		}
	}
	msgs := m.pack(ps, time.Now())
	for _, msg := range msgs[:min(len(msgs), maxFallback)] {
		m.sendPacket(to, kindRegisters, msg)
	}
}
