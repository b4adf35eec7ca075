package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// Plan reads the files and says what a reload would change; nothing changes.
func (n *Node) Plan(ctx context.Context) (r Reload, err error) {
	err = n.alone(ctx, func(ctx context.Context) error {
		l, m, err := n.read(ctx)
		if err == nil {
			r = m.compare(l)
		}
		return err
	})
	return r, err
}

// Reload reads the files and serves them, whole or not at all. The comparison is made beside the loop: it
// takes long where zones are large. One that has begun comes to its end, whether or not ctx does: files so
// large that whoever asks gives up every time could else never be served.
func (n *Node) Reload(ctx context.Context) (r Reload, err error) {
	err = n.alone(ctx, func(ctx context.Context) error {
		r, err = n.reload(context.WithoutCancel(ctx))
		return err
	})
	return r, err
}

// alone reads files by f when nobody else does: files read earlier must not be served later, and memory is for
// one load beside what is served. Who waits for that gives up when ctx does.
func (n *Node) alone(ctx context.Context, f func(context.Context) error) (err error) {
	select {
	case n.reloading <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the reload or plan before: %w", ctx.Err())
	}
	defer func() { <-n.reloading }()
	aside(func() {
		defer n.settleMemory()
		err = f(ctx)
	})
	return err
}

func (n *Node) reload(ctx context.Context) (Reload, error) {
	l, m, err := n.read(ctx)
	if err != nil {
		return Reload{}, err
	}
	r := m.compare(l)
	serials := n.serials()
	err = n.call(ctx, func(now time.Time) {
		n.counters.reloaded(now, r.Valid)
		if r.Valid {
			n.reloadError, n.loadedAt = "", now
			n.apply(l, now)
			r.Applied = true
			n.events.add(now, Event{Kind: "reload", Text: fmt.Sprintf("serving config %s: %s", l.Hex(), count(len(r.Changes), "change"))})
			return
		}
		n.reloadError = r.Error
		n.events.add(now, Event{Kind: "reload", Text: "refused: " + r.Error})
	})
	if err != nil {
		return r, err
	}
	n.logProblems(l.Problems)
	if !r.Valid {
		n.log.Error("reload refused: what was served is served on", "errors", l.Problems.Errors())
		return r, nil
	}
	if server := n.server.Load(); server != nil {
		(*server).Reload()
	}
	n.log.Info("reloaded", "config", l.Hex(), "changes", len(r.Changes))
	for _, name := range r.NeedsRestart {
		n.log.Warn("needs restart", "what", name)
	}
	// The serials are the cluster's and settle at the end of the turn that applied the files. A node that stops
	// before then has applied them all the same.
	_ = n.call(ctx, func(time.Time) { r.Serials = serialChanges(serials, n.serials()) })
	return r, nil
}

// read reads the files, and says what they are to take the place of.
func (n *Node) read(ctx context.Context) (Loaded, moment, error) {
	l := n.world.Load()
	m, err := n.moment(ctx)
	if err == nil && len(m.loaded.Sources) > 0 {
		l.refuseNone(len(m.loaded.Sources))
	}
	return l, m, err
}

// settleMemory lets go of what is served no more.
func (n *Node) settleMemory() {
	if s := n.server.Load(); s != nil {
		(*s).Forget()
	}
	n.world.Settle()
}

// serials are the serials of the zones that are served.
func (n *Node) serials() map[string]uint32 {
	out := map[string]uint32{}
	t := n.table.Load()
	for i, z := range t.Set().Zones() {
		out[z.Label] = t.Serial(zones.ZoneID(i))
	}
	return out
}

// serialChanges names the zones whose serial is another, with it.
func serialChanges(was, is map[string]uint32) []string {
	out := []string{}
	for _, zone := range union(was, is) {
		before, old := was[zone]
		now, served := is[zone]
		switch {
		case !served || old && before == now:
		case old:
			out = append(out, fmt.Sprintf("zone %s serial %d -> %d", zone, before, now))
		default:
			out = append(out, fmt.Sprintf("zone %s serial %d", zone, now))
		}
	}
	return out
}

// maxLogged is how many problems of the files go to the log, errors first. Of the rest the number does: whoever
// reloads by a signal has no other report.
const maxLogged = 20

func (n *Node) logProblems(ps zonefile.Problems) {
	logged := 0
	log := func(say func(string, ...any), severity zonefile.Severity) {
		for _, p := range ps {
			if p.Severity == severity && logged < maxLogged {
				logged++
				say("problem in a file", "problem", bounded(p.Error()))
			}
		}
	}
	log(n.log.Error, zonefile.Error)
	log(n.log.Warn, zonefile.Warning)
	if more := ps.Errors() + ps.Warnings() - logged; more > 0 {
		n.log.Warn("more problems in files: `vitalns check` and `vitalns plan` show them", "number", more)
	}
}

func firstError(ps zonefile.Problems) string {
	for _, p := range ps {
		if p.Severity == zonefile.Error {
			return bounded(p.Error())
		}
	}
	return ""
}

// compare says what l would change.
func (m moment) compare(l Loaded) Reload {
	r := Reload{Schema: Schema, Valid: l.Problems.Errors() == 0, Digest: l.Hex(),
		Changes: []string{}, Answers: []string{}, NeedsRestart: []string{}, Serials: []string{}}
	if len(l.Problems) > 0 {
		var b strings.Builder
		_ = l.Problems.Format(&b) // a Builder takes everything
		r.Problems = b.String()
	}
	if !r.Valid {
		r.Digest, r.Error = m.loaded.Hex(), firstError(l.Problems)
		return r
	}
	r.Changes = append(diffSources(m.loaded.Sources, l.Sources), diffRRL(m.loaded.File.RRL, l.File.RRL)...)
	r.Changes = append(r.Changes, diffCookies(m.loaded.Cookies, l.Cookies)...)
	r.NeedsRestart = append(r.NeedsRestart, needsRestart(m.loaded.File, l.File)...)
	r.Answers = diffAnswers(m.table, zones.NewTable(l.Set, m.adopted(l)), m.loaded.Sources, l.Sources)
	return r
}

// needsRestart names what only a start can change.
func needsRestart(a, b *File) []string {
	var names []string
	add := func(differs bool, name string) {
		if differs {
			names = append(names, name)
		}
	}
	add(a.Node != b.Node, "node")
	add(a.Site != b.Site, "site")
	add(a.StateDir != b.StateDir, "state_dir")
	add(a.StartGrace != b.StartGrace, "start_grace")
	add(!slices.Equal(a.Listen, b.Listen), "[dns] listen")
	names = append(names, a.Streams.needRestart(b.Streams)...)
	add(a.UDPSize != b.UDPSize, "[dns] udp_size")
	add(a.Lameduck != b.Lameduck, "[dns] lameduck")
	add(!slices.Equal(a.Explain, b.Explain) || (a.Explain == nil) != (b.Explain == nil), "[dns] explain")
	add(a.RRL.Table.IPv4 != b.RRL.Table.IPv4, "[dns.rrl] ipv4_prefix")
	add(a.RRL.Table.IPv6 != b.RRL.Table.IPv6, "[dns.rrl] ipv6_prefix")
	add(a.RRL.Table.Accounts != b.RRL.Table.Accounts, "[dns.rrl] table_size")
	add(a.HTTP != b.HTTP, "[http] listen")
	add(a.TokenFile != b.TokenFile, "[http] token_file")
	add(a.Control != b.Control, "[control] socket")
	add(!slices.Equal(a.Source, b.Source), "[probe] source")
	add(a.Resolver != b.Resolver, "[probe] resolver")
	add(a.LogLevel != b.LogLevel || a.LogFormat != b.LogFormat, "[log]")
	switch ca, cb := a.Cluster, b.Cluster; {
	case (ca == nil) != (cb == nil):
		names = append(names, "[cluster]")
	case ca != nil:
		add(ca.Bind != cb.Bind, "[cluster] bind")
		add(!slices.Equal(ca.Join, cb.Join), "[cluster] join")
		add(ca.Nodes != cb.Nodes, "[cluster] nodes")
		add(ca.Name != cb.Name, "[cluster] name")
		add(ca.KeyFile != cb.KeyFile, "[cluster] key_file")
		add(ca.VoteExpiry != cb.VoteExpiry, "[cluster] vote_expiry")
	}
	return names
}

// apply serves what was loaded. What the zones say takes hold at once, as do the limits of [dns.rrl]; what
// only a start can change at the next start.
func (n *Node) apply(l Loaded, now time.Time) {
	before := servedTargets(n.loaded.Sources)
	file := *n.loaded.File
	file.RRL.Enabled, file.RRL.Limits = l.File.RRL.Enabled, l.File.RRL.Limits
	if l.File = &file; n.limiter != nil {
		n.limiter.Set(file.RRL.limits())
	}
	n.loaded = l
	n.report(n.table.Load(), nil, n.adopt(before, now), now)
}

// adopted is the snapshot that the next table would be made from, if l were served: a target that takes
// another's place begins with its verdict.
func (m moment) adopted(l Loaded) *checks.Snapshot {
	snap := *m.snap
	verdicts := map[checks.Target]checks.Verdict{}
	for _, w := range l.Watches() {
		verdicts[w.Target] = snap.Verdict(w.Target)
	}
	before := servedTargets(m.loaded.Sources)
	for key, ts := range servedTargets(l.Sources) {
		for i, t := range ts {
			if old := before[key]; len(old) > 0 && verdicts[t].State == checks.Unknown {
				verdicts[t] = checks.Verdict{State: snap.Verdict(old[min(i, len(old)-1)]).State, Stale: true}
			}
		}
	}
	snap.Verdicts = checks.NewVerdicts(verdicts, snap.At)
	return &snap
}
