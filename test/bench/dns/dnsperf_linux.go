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

	"vitalns/test/live"
)

var completed = regexp.MustCompile(`Queries completed: +(\d+)`)

// compare holds the generator against dnsperf at a rate that both can send: the server's cost of a query
// is the same whoever asks.
func (b *bench) compare(ctx context.Context, s server, long time.Duration) (err error) {
	program, err := live.Find("dnsperf")
	if err != nil {
		fmt.Println("the generator is not held against dnsperf: install the Debian package dnsperf")
		return nil
	}
	plain := kind{title: "plain"}
	r, err := b.start(ctx, s, plain)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Kill()) }()
	qs, err := questions(plain)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, q := range qs {
		var m dns.Msg
		if err := m.Unpack(q.Wire); err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s %s\n", m.Question[0].Name, dns.Type(m.Question[0].Qtype))
	}
	data := filepath.Join(b.stage.Dir, "queries")
	if err := os.WriteFile(data, []byte(lines.String()), 0o644); err != nil {
		return err
	}
	var own measured
	ask := func() {
		asker, berr := blast.New(r.addr, qs, nil)
		if berr != nil {
			err = berr
			return
		}
		defer asker.Close()
		_, own.atLow, err = own.quietly(ctx, r, func() blast.Count { return asker.Pace(ctx, lowRate, long) })
	}
	if oerr := blast.OnCore(loadCore, ask); oerr != nil || err != nil {
		return errors.Join(oerr, err)
	}
	pids := tree(r.Pid())
	before := live.CPUTime(pids...)
	out, err := exec.CommandContext(ctx, program, "-s", r.addr.Addr().String(), "-p", fmt.Sprint(r.addr.Port()), "-d", data,
		"-Q", fmt.Sprint(lowRate), "-l", fmt.Sprint(max(1, int(long.Seconds()))), "-c", fmt.Sprint(blast.Sockets), "-T", "1").Output()
	if err != nil {
		return fmt.Errorf("dnsperf: %w", err)
	}
	spent := live.CPUTime(pids...) - before
	found := completed.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("dnsperf says nothing of queries completed:\n%s", out)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil || n == 0 {
		return fmt.Errorf("dnsperf completed %s queries", found[1])
	}
	fmt.Printf("%s at 30,000/s costs %.2f us a query by this generator, %.2f by dnsperf\n", s.title, own.atLow, spent.Seconds()*1e6/float64(n))
	return nil
}
