package gossip

import (
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"vitalns/checks"
)

// Times by which a member is seen.
const (
	// quiet is how long nothing may be heard of a live member before it shows as suspect: three heartbeats.
	quiet = 3 * time.Second
	// deaf is how long no datagram may come from a live member before it gets streams as well.
	deaf = 2500 * time.Millisecond
	// hoarse is how long a member that complained, by a stream, that it hears no datagram of ours gets
	// streams as well.
	hoarse = 3 * time.Second
	// shadowing is how long two nodes that were met under one name are shown, and, if the name is our own, how
	// long the other is sent our heartbeats and this node announces itself anew: when the other is dead its
	// name becomes free, and memberlist does not say when.
	shadowing = 30 * time.Second
	// pullAgain is how soon a pull that is asked again goes by stream too: its answer did not come.
	pullAgain = 3 * time.Second
	// inquiry is how often the hearsay in a heartbeat is looked through for nodes that are no members here.
	inquiry = time.Second
)

const (
	maxPeers   = 512 // members known; of those that are not alive, the one gone longest makes room
	maxShadows = 4
)

// A MemberState is Unreached until something was heard of the member.
type MemberState uint8

const (
	Unreached MemberState = iota // an address to join that has not answered as a member
	Alive
	Suspect // a member, but nothing was heard of it for three heartbeats
	Failed
	Left
)

// String returns "unreached", "alive", "suspect", "failed" or "left".
func (s MemberState) String() string {
	switch s {
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	case Failed:
		return "failed"
	case Left:
		return "left"
	}
	return "unreached"
}

// A Member is a node as this one sees it.
type Member struct {
	Name    string // "" if only its address is known
	Addr    string // host:port
	Self    bool
	State   MemberState
	Since   time.Time     // of the state; zero if unknown
	RTT     time.Duration // of the last answered ping; 0 before
	Streams bool          // datagrams do not get through: it is sent streams as well
	Meta    Meta
	Problem string // "wrong key", "not encrypted", "duplicate name: ...", "connection refused", ... or ""
}

// A peer is a node that is or was a member.
type peer struct {
	name    string
	addr    string
	ip      net.IP
	port    uint16
	state   MemberState // Alive, Failed or Left
	since   time.Time
	said    bool // it said that it leaves
	rtt     time.Duration
	meta    Meta
	heard   time.Time // when anything last came straight from it
	packet  time.Time // when a datagram did
	deafAt  time.Time // when it last said that it hears no datagram of ours
	twin    string    // address of another node of its name
	twinAt  time.Time
	pulled  time.Time // when it was last asked, and for what
	pullFor string
}

// A route is how to reach a member.
type route struct {
	name, addr string
	ip         net.IP
	port       uint16
	deaf       bool // no datagram comes from it
	stream     bool // it gets streams as well as datagrams
	lost       bool // memberlist has given it up: no stream is tried
}

// via is how a stream to r is marked: as a complaint or not.
func (r route) via() via {
	if r.deaf {
		return viaStream
	}
	return viaEcho
}

// peers is the table of nodes that are or were members, and of what is wrong with addresses.
type peers struct {
	self string

	mu       sync.Mutex // protects the fields below; held for no call out of this file
	byName   map[string]*peer
	order    []*peer // by name
	shadows  map[string]time.Time
	problems map[string]problem
	heardOf  map[string]uint64 // counters of nodes that others hear and that are no members here
	inquired time.Time
	knower   string // address of a member that hears such a node; "" if there is none
}

func newPeers(self string) *peers {
	return &peers{
		self: self, byName: make(map[string]*peer),
		shadows: make(map[string]time.Time), problems: make(map[string]problem),
		heardOf: make(map[string]uint64),
	}
}

// joined notes a member that is new, is back, or has changed what it tells about itself.
func (t *peers) joined(name string, ip net.IP, port uint16, meta []byte, now time.Time) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[name]
	if p == nil {
		p = &peer{name: name}
		if !t.room() {
			return false
		}
		t.byName[name] = p
		i, _ := slices.BinarySearchFunc(t.order, name, func(p *peer, n string) int { return strings.Compare(p.name, n) })
		t.order = slices.Insert(t.order, i, p)
	}
	p.ip, p.port, p.addr = slices.Clone(ip), port, joinHostPort(ip, port)
	p.meta = decodeMeta(meta)
	news = p.state != Alive
	if news {
		p.state, p.since, p.said = Alive, now, false
		p.heard, p.packet, p.deafAt = now, now, time.Time{}
	}
	delete(t.problems, p.addr)
	return news
}

// room makes room for one more peer if there is none, and reports whether it could. t.mu is held.
func (t *peers) room() bool {
	if len(t.order) < maxPeers {
		return true
	}
	oldest := -1
	for i, p := range t.order {
		if p.state != Alive && (oldest < 0 || p.since.Before(t.order[oldest].since)) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	delete(t.byName, t.order[oldest].name)
	t.order = slices.Delete(t.order, oldest, oldest+1)
	return true
}

// gone notes that memberlist has given a member up.
func (t *peers) gone(name string, now time.Time) (state MemberState, news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[name]
	if p == nil || p.state != Alive {
		return Unreached, false
	}
	p.state, p.since = Failed, now
	if p.said {
		p.state = Left
	}
	return p.state, true
}

// heard notes that a message came straight from a node.
func (t *peers) heard(pk *packet, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[pk.From]
	if p == nil {
		return
	}
	if pk.via != viaGossip {
		p.heard = now
	}
	switch {
	case pk.kind == kindLeave:
		p.said = true
		if p.state == Failed {
			p.state, p.since = Left, now
		}
	case pk.via == viaPacket:
		p.packet = now
	case pk.via == viaStream:
		p.deafAt = now
	}
}

func (t *peers) pinged(name string, rtt time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.byName[name]; p != nil {
		p.rtt = rtt
	}
}

// asked notes that owner's registers are asked of a member and reports whether they were a moment ago.
func (t *peers) asked(name, owner string, now time.Time) (again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[name]
	if p == nil {
		return false
	}
	again = p.pullFor == owner && !p.pulled.IsZero() && now.Sub(p.pulled) < pullAgain
	p.pulled, p.pullFor = now, owner
	return again
}

// twinned notes that two nodes have one name and reports whether that is news.
func (t *peers) twinned(name, addr string, now time.Time) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name == t.self {
		maps.DeleteFunc(t.shadows, func(_ string, at time.Time) bool { return now.Sub(at) > shadowing })
		if _, ok := t.shadows[addr]; !ok && len(t.shadows) >= maxShadows {
			return false
		}
		last, ok := t.shadows[addr]
		t.shadows[addr] = now
		return !ok || now.Sub(last) > time.Second
	}
	p := t.byName[name]
	if p == nil {
		return false
	}
	news = p.twin != addr || now.Sub(p.twinAt) > time.Second
	p.twin, p.twinAt = addr, now
	return news
}

// namesakes returns the addresses that another node of our name was met at, or told of, since a moment.
func (t *peers) namesakes(since time.Time) (addrs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, at := range t.shadows {
		if !at.Before(since) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// shadowRoutes returns the other nodes of our own name, which are no members to us. They are sent
// heartbeats so that the ledger of either sees the other advance.
func (t *peers) shadowRoutes(now time.Time) (rs []route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, at := range t.shadows {
		if now.Sub(at) > shadowing {
			delete(t.shadows, addr)
			continue
		}
		rs = append(rs, route{name: t.self, addr: addr})
	}
	return rs
}

// inquire looks for nodes that the sender of a heartbeat hears advance and that are no members here:
// memberlist's gossip may miss a node for a minute, and both sides of the pair then do.
func (t *peers) inquire(h *checks.Heartbeat, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[h.Node]
	if p == nil || p.state != Alive || now.Sub(t.inquired) < inquiry {
		return
	}
	t.inquired = now
	for _, s := range h.Heard {
		if s.Node == t.self || t.byName[s.Node] != nil {
			delete(t.heardOf, s.Node)
			continue
		}
		last, ok := t.heardOf[s.Node]
		if ok && s.Counter > last {
			t.knower = p.addr
		}
		if ok || len(t.heardOf) < maxPeers {
			t.heardOf[s.Node] = s.Counter
		}
	}
}

// introduce returns a member that knows nodes this one does not, once for each inquiry.
func (t *peers) introduce() (addr string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	addr, t.knower = t.knower, ""
	return addr, addr != ""
}

// rival reports whether another node of our own name was met of late, and a member to announce ourselves
// to.
func (t *peers) rival(now time.Time) (addr string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, at := range t.shadows {
		ok = ok || now.Sub(at) < shadowing
	}
	if !ok {
		return "", false
	}
	for _, p := range t.order {
		if p.state == Alive {
			return p.addr, true
		}
	}
	return "", false
}

// present returns the addresses of the live members.
func (t *peers) present() (addrs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.order {
		if p.state == Alive {
			addrs = append(addrs, p.addr)
		}
	}
	return addrs
}

func (p *peer) route(now time.Time) route {
	r := route{name: p.name, addr: p.addr, ip: p.ip, port: p.port}
	if p.state != Alive {
		r.lost = true
		return r
	}
	r.deaf = now.Sub(p.packet) > deaf
	r.stream = r.deaf || !p.deafAt.IsZero() && now.Sub(p.deafAt) < hoarse
	return r
}

// routes returns how to reach every member but this node. One that failed is sent datagrams still: where
// only its answers are lost it goes on hearing us, and judges by our votes.
func (t *peers) routes(now time.Time) []route {
	t.mu.Lock()
	defer t.mu.Unlock()
	rs := make([]route, 0, len(t.order)+maxShadows)
	for _, p := range t.order {
		if p.state == Alive || p.state == Failed {
			rs = append(rs, p.route(now))
		}
	}
	return rs
}

func (t *peers) route(name string, now time.Time) (route, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.byName[name]
	if p == nil || p.state != Alive && p.state != Failed {
		return route{}, false
	}
	return p.route(now), true
}

// alive returns how many members there are, this node included.
func (t *peers) alive() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 1
	for _, p := range t.order {
		if p.state == Alive {
			n++
		}
	}
	return n
}

// absent returns the addresses of members that failed, and of those among join that no member has.
func (t *peers) absent(join []string) (addrs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	present := make(map[string]bool, len(t.order))
	for _, p := range t.order {
		if p.state == Alive {
			present[p.addr] = true
		}
	}
	add := func(addr string) {
		if !present[addr] {
			present[addr] = true
			addrs = append(addrs, addr)
		}
	}
	for _, addr := range join {
		add(addr)
	}
	for _, p := range t.order {
		if p.state == Failed {
			add(p.addr)
		}
	}
	return addrs
}
