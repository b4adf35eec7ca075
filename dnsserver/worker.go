package dnsserver

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"vitalns/dnsserver/edge"
	"vitalns/zones"
)

// A Fast answers queries faster than Respond, one after the other, and as Respond does.
type Fast interface {
	// Answer writes the response to a well formed query into out and returns its length; ok is false where
	// it is left to Respond. The trace is good until the next query.
	Answer(t *zones.Table, q *edge.Query, in *edge.Request, out []byte) (n int, tr *edge.Trace, ok bool)
}

// maxBatch is the most queries that a worker answers in one go.
const maxBatch = 64

// streamSpace is what most responses over streams fit in: to larger ones Respond gives memory of their own.
const streamSpace = 4096

// A worker answers queries one after the other, in batches: each socket has its own, and streams borrow
// one. What it counts is its own too, so that no two cores write the same memory for a query.
type worker struct {
	*Server
	fast  Fast // nil: all is Respond's; as what follows it is for whoever has begun a batch
	draws uint64
	query edge.Query
	in    edge.Request
	plain edge.Trace // of the last answer of Respond
	out   []byte     // of streams: space for a response

	mu       sync.Mutex // protects the rest; held while a batch is answered, which waits for nothing
	counters counters
	since    time.Time       // when the batch began
	clock    time.Duration   // and by the Limiter's clock
	asked    []*zoneCounters // of the batch, whose responses took a time still to be known
}

func (s *Server) newWorker() *worker {
	w := &worker{Server: s, asked: make([]*zoneCounters, 0, maxBatch)}
	if s.cfg.Fast != nil {
		w.fast = s.cfg.Fast()
	}
	s.workersMu.Lock()
	defer s.workersMu.Unlock()
	w.draws = s.cfg.Seed + uint64(len(s.workers))<<32
	s.workers = append(s.workers, w)
	return w
}

// borrow returns a worker that nobody else has until it is given back. There are as many as were ever at
// work at once.
func (s *Server) borrow() *worker {
	s.workersMu.Lock()
	n := len(s.free)
	if n == 0 {
		s.workersMu.Unlock()
		return s.newWorker()
	}
	w := s.free[n-1]
	s.free = s.free[:n-1]
	s.workersMu.Unlock()
	return w
}

func (s *Server) giveBack(w *worker) {
	s.workersMu.Lock()
	s.free = append(s.free, w)
	s.workersMu.Unlock()
}

// Forget drops what is kept of tables that were answered from before: a worker that is not asked anything
// would keep the zones of then for good.
func (s *Server) Forget() {
	s.workersMu.Lock()
	workers := slices.Clone(s.workers)
	s.workersMu.Unlock()
	for _, w := range workers {
		var fresh Fast
		if s.cfg.Fast != nil {
			fresh = s.cfg.Fast()
		}
		w.mu.Lock()
		w.fast = fresh
		w.plain = edge.Trace{}
		w.mu.Unlock()
	}
	s.places.current.Store(nil)
}

// begin begins a batch of at most maxBatch queries.
func (w *worker) begin(now time.Time) {
	w.mu.Lock()
	w.since, w.clock = now, now.Sub(w.began)
}

// end ends the batch. Each of its responses counts as having taken the mean of the batch: a clock is not
// read for each.
func (w *worker) end(now time.Time) {
	if n := len(w.asked); n > 0 {
		took := now.Sub(w.since) / time.Duration(n)
		b := bucket(durationBounds[:], took)
		for _, z := range w.asked {
			z.durations.add(b, 1, uint64(took))
		}
		w.asked = w.asked[:0]
	}
	w.mu.Unlock()
}

// answer answers one packet of the batch into out, or into memory of its own where that is too short; nil
// drops it. One that makes the program panic is answered with SERVFAIL; those after it are answered as ever.
func (w *worker) answer(p *packet, out []byte) (reply []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			reply = w.survive(p, cause)
		}
	}()
	return w.attempt(p, out)
}

// survive counts and logs a panic and returns the response to the packet that caused it; nil where that has not
// been read.
func (w *worker) survive(p *packet, cause any) []byte {
	w.stats.panics.Add(1)
	w.logger.Error("panic while answering", "panic", cause, "stack", string(debug.Stack()))
	if len(p.wire) == 0 || len(w.query.Wire) != len(p.wire) || &w.query.Wire[0] != &p.wire[0] {
		return nil
	}
	return w.fail(p)
}

// attempt is answer for those who see to panics themselves.
func (w *worker) attempt(p *packet, out []byte) (reply []byte) {
	verdict := edge.Read(p.wire, &w.query)
	if verdict < edge.Malformed {
		w.counters.drop(verdict)
		return nil
	}
	w.in.Client, w.in.Stream, w.in.Encrypted, w.in.Keepalive = p.client, p.via.stream(), p.via.encrypted(), p.keepalive
	w.in.Draw, w.in.Cookie.Result = w.draw(), edge.NoCookie
	if w.cfg.Cookies != nil && verdict == edge.OK {
		w.cfg.Cookies.Look(&w.in.Cookie, &w.query, p.client, w.since)
		w.counters.cookies[w.in.Cookie.Result]++
	}
	table := w.cfg.Table()
	reply, tr := w.respond(table, p, verdict, out)
	if reply == nil {
		return w.fail(p)
	}
	switch w.limit(p, tr) {
	case edge.Slip:
		if reply = w.pack(w.slip(tr), out); reply == nil {
			return w.fail(p)
		}
	case edge.Drop:
		w.counters.at(w.places.zone(table.Set(), tr.Zone)).ask(p, &w.query)
		w.counters.withheld++
		return nil
	}
	w.count(p, table.Set(), tr, len(reply))
	return reply
}

// respond answers on the fast path, or else by Respond; nil: what that made cannot be written.
func (w *worker) respond(t *zones.Table, p *packet, verdict edge.Verdict, out []byte) ([]byte, *edge.Trace) {
	if w.fast != nil && verdict == edge.OK {
		if n, tr, ok := w.fast.Answer(t, &w.query, &w.in, out); ok {
			return out[:n], tr
		}
	}
	m, tr := respond(t, Query{
		Msg: &w.query, Verdict: verdict, Cookie: w.in.Cookie, Client: p.client, Via: p.via, Keepalive: p.keepalive, Draw: w.in.Draw,
		UDPSize: w.cfg.UDPSize, NSID: w.cfg.NSID, Version: w.cfg.Version, Explain: w.cfg.Explain, ExplainTo: w.cfg.ExplainTo,
	})
	w.plain = tr
	return w.pack(m, out), &w.plain
}

// pack writes a message, if it can be written.
func (w *worker) pack(m *dns.Msg, out []byte) []byte {
	reply, err := m.PackBuffer(out)
	if err != nil {
		w.logger.Error("pack response", "error", err)
		return nil
	}
	return reply
}

// fail answers a query that could not be answered; nil where not even its question can be written.
func (w *worker) fail(p *packet) []byte {
	m := newReply(&w.query)
	m.Rcode = dns.RcodeServerFailure
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	w.count(p, nil, &edge.Trace{Zone: edge.NoZone, Rcode: m.Rcode}, len(reply))
	return reply
}

// count counts one response.
func (w *worker) count(p *packet, set *zones.Set, tr *edge.Trace, size int) {
	c := &w.counters
	z := c.at(w.places.zone(set, tr.Zone))
	z.ask(p, &w.query)
	z.respond(tr)
	c.sizes[p.via].add(bucket(sizeBounds[:], size), 1, uint64(size))
	if len(tr.Members) > 0 {
		c.send(&w.places, set, tr.Pool, tr.Members)
	}
	for _, d := range tr.Others {
		c.send(&w.places, set, d.Pool, d.Members)
	}
	w.asked = append(w.asked, z)
}

// draw returns the next random number (splitmix64).
func (w *worker) draw() uint64 {
	w.draws += 0x9e3779b97f4a7c15
	x := w.draws
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
