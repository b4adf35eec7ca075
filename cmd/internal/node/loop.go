package node

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vitalns/checks"
	"vitalns/dnsserver"
	"vitalns/gossip"
	"vitalns/zones"
)

// Run starts the node and serves until ctx is done, then drains and saves. It returns nil after a clean
// stop, and an error that says what could not be started.
func (n *Node) Run(ctx context.Context) error {
	defer close(n.ended)
	if err := n.start(time.Now()); err != nil {
		return err
	}
	close(n.begun)
	// What is still said while the parts stop is heard: the saver stops last, the loop before it.
	saving, stopSaving := context.WithCancel(context.WithoutCancel(ctx))
	looping, stopLooping := context.WithCancel(context.WithoutCancel(ctx))
	var last errgroup.Group
	last.Go(func() error { aside(func() { n.saver.run(saving) }); return nil })
	var loop errgroup.Group
	g, ctx := errgroup.WithContext(ctx)
	// While the server drains, probes and gossip go on, so that what it answers stays true.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	loop.Go(func() error { return n.loop(looping) })
	g.Go(func() error { return n.runner.Run(working) })
	if n.mesh != nil {
		g.Go(func() error { return n.mesh.Run(working, n.deliver) })
	}
	g.Go(func() error {
		defer stopWorking()
		return n.serve(ctx)
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-n.ready:
			n.world.Settle() // once answering waits for nothing
		}
		return nil
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-n.failed:
			return err
		}
	})
	err := g.Wait()
	stopLooping()
	_ = loop.Wait() // the loop gives no error of its own
	stopSaving()
	_ = last.Wait() // nor does the saver
	return err
}

// deliver is called from the mesh's goroutine.
func (n *Node) deliver(m gossip.Message) {
	select {
	case n.inbox <- m:
	default:
		n.counters.inboxDropped.Add(1)
	}
}

// serve opens the DNS listeners once the node may be ready, which it is once they are open, and no longer
// once it is told to stop. It returns when they are closed.
func (n *Node) serve(ctx context.Context) error {
	select {
	case <-n.ready:
	case <-ctx.Done():
		return nil
	}
	if n.world.Listen == nil {
		n.await("")
		<-ctx.Done()
		n.await("stopping")
		return nil
	}
	server, err := n.listen()
	if err != nil {
		return err
	}
	n.server.Store(&server)
	for _, addr := range server.Addrs() {
		n.log.Info("answering", "address", addr)
	}
	for _, via := range []dnsserver.Transport{dnsserver.TLS, dnsserver.HTTPS} {
		for _, addr := range server.AddrsOf(via) {
			n.log.Info("answering", "address", addr, "over", via)
		}
	}
	n.await("")
	defer context.AfterFunc(ctx, func() { n.await("stopping") })()
	return server.Serve(ctx)
}

func (n *Node) listen() (Server, error) {
	return n.world.Listen(Answers{Table: n.table.Load, Explain: n.oneLine, Cookies: &n.cookies, Limiter: n.limiter})
}

// loop owns the ledger and does every swap of the table.
func (n *Node) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			n.saver.save(n.saved(time.Now()), nil)
			return nil
		case f := <-n.commands:
			f(time.Now())
		case m := <-n.inbox:
			n.hear(m, time.Now())
		case <-n.observed.signal:
		case <-timer.C:
		}
		now := time.Now()
		n.notice(now)
		n.expect()
		n.drain(now)
		n.settle(now)
		timer.Reset(n.untilNext(now))
	}
}

// maxDrain bounds how many messages one turn takes before it publishes what follows from them.
const maxDrain = 256

// drain takes what else has arrived, so that what came together is judged together.
func (n *Node) drain(now time.Time) {
	n.observed.take(func(t checks.Target, o checks.Observation) { n.ledger.Observe(t, o, now) })
	for range maxDrain {
		select {
		case m := <-n.inbox:
			n.hear(m, now)
		default:
			n.ledger.Tick(now)
			return
		}
	}
	n.ledger.Tick(now)
}

// notice tells the ledger of a suspend: the loop woke far later than it meant to, by a clock that goes on
// meanwhile.
func (n *Node) notice(now time.Time) {
	if n.world.Boot == nil {
		return
	}
	if at := n.world.Boot(); n.wakeAt != 0 && at > n.wakeAt+n.cfg.voteExpiry() {
		n.log.Warn("woke late: suspended or starved", "late", at-n.wakeAt)
		n.events.add(now, Event{Kind: "node", Text: fmt.Sprintf("woke %s late: own observations start anew, answers stay meanwhile", (at - n.wakeAt).Round(time.Second))})
		n.ledger.Woke(now)
	}
}

// hear takes one message of a peer.
func (n *Node) hear(m gossip.Message, now time.Time) {
	switch {
	case m.Heartbeat != nil:
		n.ledger.Hear(*m.Heartbeat, now)
		n.heedWheel(*m.Heartbeat, now)
	case m.Pull != nil:
		owner, incarnation, rs := n.ledger.Answer(*m.Pull, now)
		n.mesh.Reply(m.From, gossip.State{Owner: owner, Incarnation: incarnation, Registers: rs})
	case m.State != nil:
		n.ledger.Full(m.From, m.State.Owner, m.State.Incarnation, m.State.Registers, now)
	case m.Conflict != nil:
		n.clash(*m.Conflict, now)
	default:
		n.ledger.Merge(m.Registers, now)
	}
}

// clash takes in that two nodes have one name. A node that starts and finds its own taken ends; one that ran
// on its own for long before it met the others goes on answering, and is not heard.
func (n *Node) clash(c gossip.Conflict, now time.Time) {
	if c.Node == n.cfg.Node {
		n.twin = c.Addr
		if n.twin == n.mesh.Addr() {
			n.twin = c.Other
		}
	}
	n.remind(fmt.Sprintf("two nodes have the name %q, %s and %s: give one of them another `node` name", c.Node, c.Addr, c.Other), now)
	if c.Taken && now.Sub(n.started) < n.cfg.StartGrace+2*n.cfg.voteExpiry() {
		n.giveUp()
	}
}

// giveUp ends the node: another has its name.
func (n *Node) giveUp() {
	select {
	case n.failed <- n.duplicate():
	default: // said already
	}
}

// maxRounds bounds how often one turn judges anew because judging wrote registers (a choice, a last-good,
// a serial): each round settles one level of a chain of pools, and what is left waits for the next turn.
const maxRounds = 8

// settle does all that follows from the ledger as it is now: answers first, then the news for others,
// then the disk.
func (n *Node) settle(now time.Time) {
	for range maxRounds {
		if !n.judge(now) {
			break
		}
	}
	n.act(n.ledger.Ready(now), now)
	n.place()
	n.readiness(now)
}

// judge swaps the table if the news changes it and puts the registers that the new table asks for into
// the ledger. It reports whether there may be more to do.
func (n *Node) judge(now time.Time) (again bool) {
	snap, changes := n.ledger.Verdicts(now)
	n.snapshot.Store(snap)
	n.useCookies(snap)
	last := n.table.Load()
	touched := append(append([]zones.PoolID{}, last.Set().Touched(changes)...), last.Due(now)...)
	next := last
	if changes.Any() || len(touched) > 0 {
		next = zones.Resolve(last, snap, touched)
		n.table.Store(next)
		n.report(next, touched, changes.Targets, now)
	}
	if !n.heardEnough(now) {
		return false // what is concluded from a part of the votes moves nobody else
	}
	writes := append(zones.Writes(next, snap), n.cookieWrites(snap, now)...)
	if n.serialsDue {
		n.serialsDue, n.saveAt = false, now // a serial that somebody has heard is not to be given to other data
		writes = append(writes, zones.SerialWrites(next.Set(), snap)...)
	}
	for _, r := range writes {
		again = n.ledger.Put(r, now) || again
	}
	return again
}

// act sends and does what the ledger asks for.
func (n *Node) act(ready checks.Ready, now time.Time) {
	if ready.Outbid != 0 {
		n.incarnation = ready.Outbid
		n.log.Info("begins a new incarnation: its name was heard with a later one", "incarnation", n.incarnation)
		saved := make(chan error, 1)
		n.saver.save(n.saved(now), saved)
		<-saved // an error has been counted and logged
	}
	if n.mesh != nil {
		n.send(ready, now)
	}
	for _, t := range ready.Hints {
		n.runner.Hint(t)
	}
	if ready.Reset {
		n.runner.Reset()
		n.observed.take(func(checks.Target, checks.Observation) {}) // of before
	}
	for _, a := range ready.Alarms {
		n.alarm(a, now)
	}
	if ready.Persist {
		n.saveWithin(min(n.pause, saveShared), now)
	}
	if !n.saveAt.After(now) {
		state := n.saved(now)
		n.pause = min(savePause*time.Duration(len(state.Registers)), saveVerdict)
		n.saveAt, n.calm = now.Add(saveEvery), now.Add(n.pause)
		n.saver.save(state, nil)
	}
	if d := ready.Duplicate; d != nil && d.Fatal {
		n.giveUp()
	}
}

func (n *Node) send(ready checks.Ready, now time.Time) {
	if len(ready.Publish) > 0 {
		n.mesh.Publish(ready.Publish)
	}
	if ready.Heartbeat != nil {
		h := *ready.Heartbeat
		h.Wheel = now.Sub(n.wheel)
		n.mesh.Beat(h)
		if h.All != n.local { // what a joiner is handed
			n.local = h.All
			n.mesh.SetLocal(n.ledger.All(now), now)
		}
	}
	for _, p := range ready.Pulls {
		n.mesh.Pull(p)
	}
}

// When the state goes to disk at the latest: for the age of verdicts alone, after one has changed, and after a
// register with many writers has (an operator's word waits for no more than the disk). A node that is killed is
// not to begin with what was over; to put together what is saved is not to get in the way of the answers that
// change next.
const (
	saveEvery   = 10 * time.Second
	saveVerdict = time.Second
	saveShared  = 100 * time.Millisecond
	// savePause is how long a register of the last save keeps the next off, after news as after that save, all of
	// them at most saveShared and saveVerdict: the choices of a few pools are on disk within milliseconds, but
	// to save those of many takes long, and while one target after the other goes or comes it would be done
	// without end.
	savePause = 50 * time.Microsecond
)

// saveWithin has the state saved soon.
func (n *Node) saveWithin(d time.Duration, now time.Time) {
	at := now.Add(d)
	if n.calm.After(at) {
		at = n.calm
	}
	if at.Before(n.saveAt) {
		n.saveAt = at
	}
}

// untilNext is how long the loop may sleep if nothing is heard.
func (n *Node) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Second)
	if !n.isReady {
		next = n.started.Add(n.cfg.StartGrace)
	}
	for _, at := range []time.Time{n.ledger.NextExpiry(), zones.NextChange(n.table.Load()), n.saveAt} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	d := max(next.Sub(now), time.Millisecond)
	if n.world.Boot != nil {
		n.wakeAt = n.world.Boot() + d
	}
	return d
}
