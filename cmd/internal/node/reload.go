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
func (n *Node) Plan(ctx context.Context) (Reload, error) {
	l := n.world.Load()
	var r Reload
	err := n.call(ctx, func(now time.Time) { r = n.compare(l) })
	return r, err
}

// Reload reads the files and serves them, whole or not at all.
func (n *Node) Reload(ctx context.Context) (Reload, error) {
	select {
	case n.reloading <- struct{}{}: // or files read earlier might be served later
	case <-ctx.Done():
		return Reload{}, fmt.Errorf("wait for the reload before: %w", ctx.Err())
	}
	defer func() { <-n.reloading }()
	l := n.world.Load()
	var r Reload
	err := n.call(ctx, func(now time.Time) {
		r = n.compare(l)
		n.counters.reloaded(now, r.Valid)
		if !r.Valid {
			n.log.Error("reload: the files have errors; what was served is served on", "errors", l.Problems.Errors(), "first", l.Problems[0].Error())
			n.reloadError = firstError(l.Problems)
			n.events.add(now, Event{Kind: "reload", Text: "refused: " + n.reloadError})
			return
		}
		n.reloadError, n.loadedAt = "", now
		n.apply(l, now)
		r.Applied = true
		n.log.Info("reloaded", "config", l.Hex(), "changes", len(r.Changes))
		n.events.add(now, Event{Kind: "reload", Text: fmt.Sprintf("serving config %s: %d changes", l.Hex(), len(r.Changes))})
		for _, name := range r.NeedsRestart {
			n.log.Warn("needs restart", "what", name)
		}
	})
	if err != nil || !r.Applied {
		return r, err
	}
	// The serials are the cluster's and settle at the end of the turn that applied the files.
	err = n.call(ctx, func(time.Time) { r.Serials = n.serials() })
	return r, err
}

func firstError(ps zonefile.Problems) string {
	for _, p := range ps {
		if p.Severity == zonefile.Error {
			return p.Error()
		}
	}
	return ""
}

// compare says what l would change.
func (n *Node) compare(l Loaded) Reload {
	r := Reload{Schema: Schema, Valid: l.Problems.Errors() == 0, Digest: l.Hex(),
		Changes: []string{}, Answers: []string{}, NeedsRestart: []string{}, Serials: []string{}}
	if len(l.Problems) > 0 {
		var b strings.Builder
		_ = l.Problems.Format(&b) // a Builder takes everything
		r.Problems = b.String()
	}
	if !r.Valid {
		r.Digest = n.loaded.Hex()
		return r
	}
	r.Changes = append(r.Changes, diffSources(n.loaded.Sources, l.Sources)...)
	r.NeedsRestart = append(r.NeedsRestart, needsRestart(n.loaded.File, l.File)...)
	r.Answers = append(r.Answers, diffAnswers(n.table.Load(), zones.NewTable(l.Set, n.adopted(l)))...)
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
	add(a.UDPSize != b.UDPSize, "[dns] udp_size")
	add(a.Lameduck != b.Lameduck, "[dns] lameduck")
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

// apply serves what was loaded. What the zones say takes hold at once, what only a start can change at the
// next start.
func (n *Node) apply(l Loaded, now time.Time) {
	before := servedTargets(n.loaded.Sources)
	l.File = n.loaded.File
	n.loaded = l
	n.report(n.table.Load(), nil, n.adopt(before, now), now)
}

// adopted is the snapshot that the next table would be made from, if l were served: a target that takes
// another's place begins with its verdict.
func (n *Node) adopted(l Loaded) *checks.Snapshot {
	snap := *n.snapshot.Load()
	verdicts := map[checks.Target]checks.Verdict{}
	for _, w := range l.Watches() {
		verdicts[w.Target] = snap.Verdict(w.Target)
	}
	before := servedTargets(n.loaded.Sources)
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
