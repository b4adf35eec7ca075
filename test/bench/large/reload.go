//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/bench/blast"
	"vitalns/test/bench/stat"
	"vitalns/test/bench/wide"
)

const (
	reloads = 5
	before  = 2 * time.Second // of queries, before each reload
	// A reload that lost queries is measured again, so often in all, if the server's core was away for about as long as
	// a query may take, and no more are lost than would have come while it was away.
	again     = 2 * reloads
	tolerated = 150 * time.Millisecond
)

// The server that reloads has one core, for all that it does, and the generator another one.
const (
	serverCore = 0
	loadCore   = 1
)

// A loaded is what queries met around reloads, one of each.
type loaded struct {
	quiet, busy []blast.Count
	took        []time.Duration // by the reloads
	spoilt      []spoilt
}

// A spoilt reload is one that was measured again.
type spoilt struct {
	absence
	lost int
}

// excused reports whether queries were lost because the machine took the core away.
func excused(lost, rate int, away absence) bool {
	return lost > 0 && away.longest >= tolerated && float64(lost) <= float64(rate)*away.sum.Seconds()
}

// reload reloads the zone, changed, under load, and counts the queries that are lost.
func (b *bench) reload(ctx context.Context, rate int) (err error) {
	if runtime.NumCPU() < 2 {
		fmt.Println("  reload under load: not measured (two cores are needed: one for the server, one for the load)")
		return nil
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		fmt.Println("  reload under load: not measured (Debian package util-linux)")
		return nil
	}
	zone, err := b.write("changing.zone", b.names)
	if err != nil {
		return err
	}
	s := servers[0]
	s.core = strconv.Itoa(serverCore)
	r, err := b.start(ctx, s, zone, "h0000000."+origin)
	if err != nil {
		return err
	}
	if _, _, err := r.rest(ctx); err != nil {
		return err
	}
	qs, err := b.questions()
	if err != nil {
		return err
	}
	watcher, err := watch(serverCore)
	if err != nil {
		fmt.Printf("  whether the machine took the server's core away is not known: %v\n", err)
	} else {
		defer func() { err = errors.Join(err, watcher.close()) }()
	}
	var l loaded
	if oerr := blast.OnCore(loadCore, func() { err = l.load(ctx, r, watcher, zone, b.names, rate, qs) }); oerr != nil || err != nil {
		return errors.Join(oerr, err)
	}
	rest, peak, err := r.rest(ctx)
	if err != nil {
		return err
	}
	l.report(b, rate)
	fmt.Printf("    %.1f MB at rest afterwards, peak %.1f MB\n", rest/1e6, peak/1e6)
	return r.Kill()
}

// load asks all the time, and meanwhile changes an address and reloads, again and again, and sees the new
// one answered.
func (l *loaded) load(ctx context.Context, r *running, w *witness, zone string, names, rate int, qs []blast.Question) error {
	asker, err := blast.New(netip.MustParseAddrPort(r.addr), qs, nil)
	if err != nil {
		return err
	}
	defer asker.Close()
	for i := 0; len(l.busy) < reloads; i++ {
		last := 2 + i // another than before
		if err := wide.Write(zone+".new", names, last); err != nil {
			return err
		}
		if err := os.Rename(zone+".new", zone); err != nil {
			return err
		}
		quiet := asker.Pace(ctx, float64(rate), before)
		w.away() // what was before does not count
		began := time.Now()
		busy, err := besideReload(ctx, r, asker, rate)
		took, away := time.Since(began), w.away()
		if err != nil {
			return err
		}
		want := fmt.Sprintf("192.0.2.%d", last)
		if err := r.await(ctx, "h0000000."+origin, func(addr string) bool { return addr == want }); err != nil {
			return err
		}
		if excused(busy.Lost, rate, away) && len(l.spoilt) < again {
			l.spoilt = append(l.spoilt, spoilt{away, busy.Lost})
			continue
		}
		l.quiet, l.busy, l.took = append(l.quiet, quiet), append(l.busy, busy), append(l.took, took)
	}
	return nil
}

// besideReload asks for as long as a reload takes.
func besideReload(ctx context.Context, r *running, asker *blast.Blaster, rate int) (blast.Count, error) {
	ended := make(chan error, 1)
	asking, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		ended <- r.post(ctx, "/api/v1/reload", "")
	}()
	c := asker.Pace(asking, float64(rate), patience)
	return c, <-ended
}

// report prints what queries met before reloads and during them.
func (l *loaded) report(b *bench, rate int) {
	var all, quiet blast.Count
	for i := range reloads {
		for _, c := range []struct{ sum, of *blast.Count }{{&all, &l.busy[i]}, {&quiet, &l.quiet[i]}} {
			c.sum.Sent, c.sum.Lost, c.sum.Late, c.sum.Wrong = c.sum.Sent+c.of.Sent, c.sum.Lost+c.of.Lost, c.sum.Late+c.of.Late, c.sum.Wrong+c.of.Wrong
			c.sum.Took += c.of.Took
			if c.sum.FirstWrong == "" {
				c.sum.FirstWrong = c.of.FirstWrong
			}
		}
	}
	fmt.Printf("  %d reloads beside %d q/s, server and reload on one core: %.2f s each\n", reloads, rate, stat.Median(l.took).Seconds())
	for _, c := range []struct {
		when string
		sum  blast.Count
		of   []blast.Count
	}{{"before", quiet, l.quiet}, {"during", all, l.busy}} {
		at := func(q float64) time.Duration {
			var each []time.Duration
			for i := range c.of {
				each = append(each, c.of[i].Percentile(q))
			}
			if q == 1 {
				return slices.Max(each).Round(time.Microsecond)
			}
			return stat.Median(each).Round(time.Microsecond)
		}
		fmt.Printf("    %s: %d queries at %.0f q/s, %d lost (%d of them late), %d wrong; p50 %v, p90 %v, p99 %v, max %v\n", c.when, c.sum.Sent,
			float64(c.sum.Sent)/c.sum.Took.Seconds(), c.sum.Lost, c.sum.Late, c.sum.Wrong, at(0.5), at(0.9), at(0.99), at(1))
	}
	for _, x := range l.spoilt {
		fmt.Printf("    measured again: the machine took the core away for up to %v, %v in all; %d queries were lost\n",
			x.longest.Round(time.Millisecond), x.sum.Round(time.Millisecond), x.lost)
	}
	fmt.Printf("    the rate was kept: %s\n", b.must(all.Kept(float64(rate)), "only %.0f q/s of %d", float64(all.Sent)/all.Took.Seconds(), rate))
	fmt.Printf("    no query lost: %s; none wrong: %s\n", b.must(all.Lost == 0, "%d queries lost in reloads", all.Lost),
		b.must(all.Wrong+quiet.Wrong == 0, "%d wrong responses beside reloads: %s", all.Wrong+quiet.Wrong, all.FirstWrong+quiet.FirstWrong))
}

// questions are what is asked: names at random.
func (b *bench) questions() ([]blast.Question, error) {
	random := rand.New(rand.NewPCG(1, 2))
	qs := make([]blast.Question, 0, 100_000)
	for range cap(qs) {
		m := new(dns.Msg).SetQuestion(fmt.Sprintf("h%07d.%s", 1+random.IntN(b.names-1), origin), dns.TypeA)
		m.Id = 0
		wire, err := m.Pack()
		if err != nil {
			return nil, err
		}
		qs = append(qs, blast.Question{Wire: wire, End: len(wire), Answers: 1, Least: 1})
	}
	return qs, nil
}

// post asks something of a node over its control socket.
func (r *running) post(ctx context.Context, path, body string) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.dir, "sock"))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node"+path, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body) // what there is of it
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text.String())
	}
	return nil
}
