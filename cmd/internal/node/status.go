package node

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/zones"
)

// A moment is what the loop alone knows, as it was at one moment.
type moment struct {
	now         time.Time
	loaded      Loaded
	loadedAt    time.Time
	reloadError string
	peers       []checks.Peer
	pools       map[string]poolHistory
	alarms      []string
	ledger      checks.LedgerStats
	table       *zones.Table
	snap        *checks.Snapshot
}

// moment asks the loop. Table and snapshot belong together in it.
func (n *Node) moment(ctx context.Context) (m moment, err error) {
	err = n.call(ctx, func(now time.Time) {
		m = moment{now: now, loaded: n.loaded, loadedAt: n.loadedAt, reloadError: n.reloadError, peers: n.ledger.Peers(now),
			pools: make(map[string]poolHistory, len(n.pools)), alarms: n.lasting(now), ledger: n.ledger.Stats(),
			table: n.table.Load(), snap: n.snapshot.Load()}
		for key, h := range n.pools {
			m.pools[key] = *h
		}
	})
	return m, err
}

// Status is what the node thinks of everything.
func (n *Node) Status(ctx context.Context) (Status, error) {
	m, err := n.moment(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{
		Schema: Schema, Version: n.cfg.Version, Node: n.cfg.Node, Site: n.cfg.Site, Uptime: Seconds(m.now.Sub(n.started)),
		Waiting: n.Waiting(), DNS: n.addresses(), Cluster: n.clusterState(m), Zones: zoneStates(m), Pools: []PoolState{}, Alarms: m.alarms,
		Config: ConfigState{Digest: m.loaded.Hex(), LoadedAt: m.loadedAt.UTC().Format(time.RFC3339), LastReload: "ok", Error: m.reloadError},
	}
	s.Ready = s.Waiting == ""
	if why := n.saver.lost.Load(); why != nil {
		s.StateError = *why
	}
	if m.reloadError != "" {
		s.Config.LastReload = "failed"
	}
	d := newDrawing(m, n.runner.Reports())
	for id := range m.table.Set().Pools() {
		s.Pools = append(s.Pools, d.pool(zones.PoolID(id)))
	}
	return s, nil
}

func (n *Node) addresses() []string {
	out := []string{}
	if s := n.server.Load(); s != nil {
		for _, a := range (*s).Addrs() {
			out = append(out, a.String())
		}
	}
	return out
}

func (n *Node) clusterState(m moment) ClusterState {
	c := ClusterState{Enabled: n.cfg.Cluster != nil, Fresh: len(m.snap.Fresh), Expected: m.snap.Nodes,
		Majority: m.snap.Majority, Abstains: m.snap.Abstains, Agrees: true}
	for _, p := range m.peers {
		if p.Fresh && p.Zones != 0 && p.Zones != m.loaded.Digest {
			c.Agrees = false
		}
	}
	return c
}

func zoneStates(m moment) []ZoneState {
	out := []ZoneState{}
	pools := map[zones.ZoneID]int{}
	for _, p := range m.table.Set().Pools() {
		pools[p.ZoneID]++
	}
	for i, z := range m.table.Set().Zones() {
		id := zones.ZoneID(i)
		out = append(out, ZoneState{Zone: z.Label, File: z.File, Serial: m.table.Serial(id), Names: z.Names, Live: z.Live, Pools: pools[id]})
	}
	return out
}

// A drawing makes the states of pools and targets of one moment.
type drawing struct {
	moment
	reports map[checks.Target]runner.Report
	watches map[checks.Target]string // label of the check
}

func newDrawing(m moment, reports map[checks.Target]runner.Report) drawing {
	d := drawing{moment: m, reports: reports, watches: map[checks.Target]string{}}
	for _, w := range m.loaded.Watches() {
		d.watches[w.Target] = w.Check
	}
	return d
}

func (d drawing) pool(id zones.PoolID) PoolState {
	ref, a := d.table.Set().Pools()[id], d.table.Pool(id)
	p := PoolState{Zone: ref.ZoneLabel, Pool: ref.Pool.Name, Policy: ref.Pool.Policy.String(), Serving: serving(d.table, id),
		ServingPool: d.table.Set().Pools()[a.From].Pool.Name, AllDown: a.Step == 5, Targets: []TargetState{}}
	if h, ok := d.pools[ref.ZoneLabel+"/"+ref.Pool.Name]; ok {
		p.Since = Seconds(d.now.Sub(h.since))
	}
	p.TTL, p.Note = said(d.table, id)
	for i := range ref.Pool.Members {
		t := d.target(ref, i, a.Members[i])
		if a.Members[i].Class == zones.UpMember {
			p.Up++
		}
		p.Targets = append(p.Targets, t)
	}
	return p
}

// said is the TTL that a pool's answers have, and what they say of themselves: that of the family with the
// lesser TTL and the first note.
func said(t *zones.Table, id zones.PoolID) (ttl uint32, note string) {
	ttl = zones.NoLimit
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a := t.Answer(id, qtype)
		ttl, note = min(ttl, a.TTL), cmp.Or(note, a.Note.Text)
	}
	if ttl == zones.NoLimit {
		ttl = 0
	}
	return ttl, note
}

func (d drawing) target(ref zones.PoolRef, i int, a zones.MemberAnswer) TargetState {
	m := ref.Pool.Members[i]
	t := TargetState{Name: m.Name, Address: []string{}, State: memberState(a.Class), Serving: a.Serving, Checks: []CheckState{}, FileState: m.Admin.String()}
	for _, addr := range m.Addrs {
		t.Address = append(t.Address, addr.Addr.String())
	}
	if m.CNAME != "" {
		t.Address = append(t.Address, m.CNAME.String())
	}
	var since time.Duration
	for n, target := range m.Targets() {
		v := d.snap.Verdict(target)
		t.Stale, t.Doubt = t.Stale || v.Stale, t.Doubt || v.Doubt
		if since == 0 || n == 0 || v.Age < since {
			since = v.Age
		}
		t.Checks = append(t.Checks, d.check(target, v))
	}
	t.Since = Seconds(since)
	if o, ok := d.snap.Override(zones.OverrideKey(ref.Zone, ref.Pool.Name, m.Name)); ok {
		state := overrideState(ref.ZoneLabel+"/"+ref.Pool.Name+"/"+m.Name, o)
		t.Override = &state
	}
	return t
}

// memberState is a class in the words of the status: forced and drained members show beneath what their
// checks say in their own fields.
func memberState(c zones.Class) string {
	switch c {
	case zones.UpMember:
		return "up"
	case zones.UnknownMember:
		return "unknown"
	case zones.DrainedButUp:
		return "drain"
	}
	return "down"
}

func (d drawing) check(t checks.Target, v checks.Verdict) CheckState {
	c := CheckState{Check: d.watches[t], Target: t.String(), State: v.State.String(), Verdict: v.String(), Votes: map[string]string{}, LastRun: -1}
	for _, vote := range v.Votes {
		c.Votes[vote.Node] = vote.State.String()
	}
	r, ok := d.reports[t]
	if !ok || r.LastEnd.IsZero() {
		return c
	}
	c.Last, c.LastRun = Seconds(r.Last.Latency), Seconds(d.now.Sub(r.LastEnd))
	c.Detail = cmp.Or(string(r.Last.Reason), r.Last.Kind.String())
	return c
}

// Overrides are the overrides of configured targets.
func (n *Node) Overrides() Overrides {
	list := Overrides{Schema: Schema, Overrides: []OverrideState{}}
	snap := n.snapshot.Load()
	if snap == nil {
		return list
	}
	for key := range snap.Overrides {
		if o, ok := snap.Override(key); ok {
			list.Overrides = append(list.Overrides, overrideState(key, o))
		}
	}
	slices.SortFunc(list.Overrides, func(a, b OverrideState) int { return strings.Compare(a.Target, b.Target) })
	return list
}

func overrideState(key string, o checks.Override) OverrideState {
	s := OverrideState{Target: key, State: o.Admin.String(), Reason: o.Reason, Owner: o.Owner,
		Age: Seconds(o.Age), Left: Seconds(o.Left), Expired: o.Expired}
	for _, c := range o.Conflict {
		s.Conflict = append(s.Conflict, overrideState(key, c))
	}
	return s
}

// Members are the nodes as the mesh and the ledger know them.
func (n *Node) Members(ctx context.Context) (Members, error) {
	m, err := n.moment(ctx)
	if err != nil {
		return Members{}, err
	}
	out := Members{Schema: Schema, Self: n.cfg.Node, Members: []MemberState{}}
	known := map[string]bool{}
	if n.mesh != nil {
		for _, g := range n.mesh.Members() {
			s := MemberState{Node: g.Name, Address: g.Addr, Site: g.Meta.Site, State: g.State.String(), RTT: Seconds(g.RTT), Version: g.Meta.Version, Problem: g.Problem, Heard: -1}
			known[g.Name] = true
			describe(&s, m)
			out.Members = append(out.Members, s)
		}
	}
	for _, p := range m.peers {
		if !known[p.Node] {
			s := MemberState{Node: p.Node, State: "left", Heard: -1}
			if p.Self {
				s.State, s.Site, s.Version = "alive", n.cfg.Site, n.cfg.Version
			}
			describe(&s, m)
			out.Members = append(out.Members, s)
		}
	}
	return out, nil
}

// describe fills in what the ledger knows of a node.
func describe(s *MemberState, m moment) {
	i := slices.IndexFunc(m.peers, func(p checks.Peer) bool { return p.Node == s.Node })
	if i < 0 || s.Node == "" {
		return
	}
	p := m.peers[i]
	s.Fresh, s.Votes, s.Abstains, s.Starting, s.Heard = p.Fresh, p.Votes && !p.Abstains, p.Abstains, p.Starting, Seconds(p.Silent)
	switch p.Zones {
	case 0:
	case m.loaded.Digest:
		s.Zones = "same"
	default:
		s.Zones = digestText(p.Zones)
	}
}

func (n *Node) zoneLabel(id zones.PoolID) string { return n.table.Load().Set().Pools()[id].ZoneLabel }
