package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/bench/blast"
	"vitalns/test/bench/stat"
	"vitalns/test/live"
)

var completed = regexp.MustCompile(`Queries completed: +(\d+)`)

// Of the cost of a query as the two generators find it, which are asked in turn, the ratio may be so far from 1:
// what a machine that others share does to runs of a second or two.
const (
	comparisons = 5
	mustAgree   = 1.25
)

// compare holds the generator against dnsperf at a rate that both can send: the server's cost of a query
// is the same whoever asks. It reports whether they agree; without dnsperf it says so, and true.
func (b *bench) compare(ctx context.Context, s server, long time.Duration) (agree bool, err error) {
	program, err := live.Find("dnsperf")
	if err != nil {
		fmt.Println("the generator is not held against dnsperf: install the Debian package dnsperf")
		return true, nil
	}
	plain := kind{title: "plain"}
	r, err := b.start(ctx, s, plain)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Kill()) }()
	qs, err := questions(plain)
	if err != nil {
		return false, err
	}
	data := filepath.Join(b.stage.Dir, "queries")
	if err := writeQueries(data, qs); err != nil {
		return false, err
	}
	var own, theirs []float64
	for range comparisons {
		cost, err := costByOwn(ctx, r, qs, long)
		if err != nil {
			return false, err
		}
		own = append(own, cost)
		if cost, err = costByDnsperf(ctx, r, program, data, long); err != nil {
			return false, err
		}
		theirs = append(theirs, cost)
	}
	ratio := stat.Median(own) / stat.Median(theirs)
	agree = ratio <= mustAgree && ratio >= 1/mustAgree
	verdict := "ok"
	if !agree {
		verdict = "MISSED"
	}
	fmt.Printf("%s at 30,000/s costs %s us a query by this generator, %s by dnsperf, must agree within %.2f x: %s\n", s.title, spread(own, "%.2f"), spread(theirs, "%.2f"), mustAgree, verdict)
	return agree, nil
}

// writeQueries writes questions as dnsperf reads them.
func writeQueries(path string, qs []blast.Question) error {
	var lines strings.Builder
	for _, q := range qs {
		var m dns.Msg
		if err := m.Unpack(q.Wire); err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s %s\n", m.Question[0].Name, dns.Type(m.Question[0].Qtype))
	}
	return os.WriteFile(path, []byte(lines.String()), 0o644)
}

// costByOwn is what a query costs a server at lowRate, in us, as this generator asks.
func costByOwn(ctx context.Context, r *running, qs []blast.Question, long time.Duration) (us float64, err error) {
	ask := func() {
		asker, aerr := blast.New(r.addr, qs, nil)
		if aerr != nil {
			err = aerr
			return
		}
		defer asker.Close()
		_, us, err = new(measured).quietly(ctx, r, func() blast.Count { return asker.Pace(ctx, lowRate, long) })
	}
	if oerr := blast.OnCore(loadCore, ask); oerr != nil {
		return 0, oerr
	}
	return us, err
}

// costByDnsperf is the same as dnsperf asks.
func costByDnsperf(ctx context.Context, r *running, program, data string, long time.Duration) (us float64, err error) {
	pids := tree(r.Pid())
	before := live.CPUTime(pids...)
	out, err := exec.CommandContext(ctx, program, "-s", r.addr.Addr().String(), "-p", fmt.Sprint(r.addr.Port()), "-d", data,
		"-Q", fmt.Sprint(lowRate), "-l", fmt.Sprint(max(1, int(long.Seconds()))), "-c", fmt.Sprint(blast.Sockets), "-T", "1").Output()
	if err != nil {
		return 0, fmt.Errorf("dnsperf: %w", err)
	}
	spent := live.CPUTime(pids...) - before
	found := completed.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("dnsperf says nothing of queries completed:\n%s", out)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil || n == 0 {
		return 0, fmt.Errorf("dnsperf completed %s queries", found[1])
	}
	return spent.Seconds() * 1e6 / float64(n), nil
}
