//go:build linux

// Command checks measures the runner with the real probe of a port: 10,000 tcp checks a second on
// loopback, against listeners in another process, and then 2,000, in turn with gdnsd. It prints whether probes
// start on time and what they cost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/checks/runner"
)

func main() {
	long := flag.Duration("t", 30*time.Second, "how long to measure 10,000 checks a second; a quarter of it 2,000, a few times")
	binary := flag.String("vitalns", "./vitalns", "the binary")
	accept := flag.Bool("accept", false, "be the listeners (for this program's own use)")
	flag.Parse()
	if *accept {
		exit(acceptAll())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, *binary, *long)
	stop()
	exit(err)
}

// errMissed says that a value was not reached; the table has said which.
var errMissed = errors.New("not every value was reached")

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-checks:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// warmUp is left out of what is measured: the first probes of all targets, and the first slots.
const warmUp = 5 * time.Second

// fewTargets is how many checks a second a node has in the comparison with gdnsd, and mustShare the most of a core
// that they may take.
const (
	fewTargets = 2000
	mustShare  = 0.15
)

// mustLag is the most that 99 of 100 probes may start late at 10,000 a second.
const mustLag = 100 * time.Millisecond

func bench(ctx context.Context, binary string, long time.Duration) (err error) {
	if err := raiseLimit(); err != nil {
		return err
	}
	l, err := startListeners()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	fmt.Printf("vitalns checks: tcp, interval 1 s, timeout 1 s, on loopback; %d CPUs, %s, the listeners beside it\n", runtime.NumCPU(), runtime.Version())
	fmt.Printf("%-8s %6s %10s %10s %10s %9s %8s %6s %8s %10s\n", "targets", "s", "probes/s", "lag p50", "lag p99", "CPU", "us/probe", "RSS", "failed", "TIME_WAIT")
	many, err := measure(ctx, l.targets, long)
	if err != nil {
		return err
	}
	many.print()
	few, err := measure(ctx, l.targets[:fewTargets], long/4)
	if err != nil {
		return err
	}
	few.print()
	fmt.Printf("10,000 checks a second: p99 of lag %s, must be <= %s: %s\n", many.late(0.99), mustLag, verdict(many.onTime()))
	fmt.Printf("not one probe failed, was void or skipped: %s\n", verdict(many.bad == 0 && few.bad == 0))
	near, err := beside(ctx, l, binary, long/4)
	if err != nil {
		return err
	}
	if !near || !many.onTime() || many.bad+few.bad > 0 {
		return errMissed
	}
	return nil
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "MISSED"
}

// A sum is what a number of targets cost for a while.
type sum struct {
	targets  int
	took     time.Duration
	probes   uint64
	lag      runner.Histogram
	cpu      time.Duration
	rss      int64 // bytes
	bad      uint64
	timeWait int // sockets more than before
}

// measure probes the targets for a while.
func measure(ctx context.Context, targets []checks.Target, long time.Duration) (sum, error) {
	check := &probe.TCP{}
	prober := check.Prober(new(probe.Env))
	const interval = time.Second
	ws := make([]checks.Watch, len(targets))
	for i, t := range targets {
		t.Probe = check.Identity(interval)
		ws[i] = checks.Watch{Target: t, Check: "bench/tcp", Interval: interval, Timeout: interval,
			FastInterval: interval / 2, Fall: 3, Rise: 2, Clear: 2, Prober: prober}
	}
	var observed atomic.Int64
	r := runner.New(runner.Config{Seed: 1, Observe: func(checks.Target, checks.Observation) { observed.Add(1) }})
	r.Set(ws)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	waitBefore := timeWaits()
	go func() { done <- r.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := wait(ctx, warmUp); err != nil {
		return sum{}, err
	}
	began, before, cpu := time.Now(), r.Stats(), cpuTime()
	if err := wait(ctx, long); err != nil {
		return sum{}, err
	}
	after := r.Stats()
	s := sum{targets: len(targets), took: time.Since(began), cpu: cpuTime() - cpu, lag: less(after.Lag, before.Lag), rss: rss(), timeWait: timeWaits() - waitBefore}
	s.probes = s.lag.Count()
	a, b := after.Checks["bench/tcp"], before.Checks["bench/tcp"]
	s.bad = a.Failure + a.Timeout + a.Error + a.Skipped - b.Failure - b.Timeout - b.Error - b.Skipped
	if up := observed.Load(); up < int64(len(targets)) {
		return s, fmt.Errorf("only %d of %d targets were ever seen up", up, len(targets))
	}
	return s, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// less is what a histogram has counted since an earlier one.
func less(h, earlier runner.Histogram) runner.Histogram {
	d := runner.Histogram{Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts)), Sum: h.Sum - earlier.Sum}
	for i := range h.Counts {
		d.Counts[i] = h.Counts[i] - earlier.Counts[i]
	}
	return d
}

// late is the bound that a share of the probes kept, in words.
func (s sum) late(q float64) string {
	bound, ok := s.lag.Quantile(q)
	if !ok {
		return "> 2.5 s"
	}
	return "<= " + time.Duration(bound*float64(time.Second)).String()
}

func (s sum) onTime() bool {
	bound, ok := s.lag.Quantile(0.99)
	return ok && bound <= mustLag.Seconds()
}

// perProbe is what a probe costs, in microseconds of CPU.
func (s sum) perProbe() float64 { return float64(s.cpu.Microseconds()) / float64(s.probes) }

func (s sum) print() {
	rate := float64(s.probes) / s.took.Seconds()
	fmt.Printf("%-8d %6.0f %10.0f %10s %10s %7.1f %% %8.0f %4d M %8d %10d\n", s.targets, s.took.Seconds(), rate, s.late(0.5), s.late(0.99),
		100*s.cpu.Seconds()/s.took.Seconds(), s.perProbe(), s.rss>>20, s.bad, s.timeWait)
}

// raiseLimit takes all the file descriptors that it may have.
func raiseLimit() error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	want := r
	want.Max = max(r.Max, 65536)
	want.Cur = want.Max
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &want) != nil { // the hard limit is root's to raise
		r.Cur = r.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
			return fmt.Errorf("raise the limit of open files: %w", err)
		}
		want = r
	}
	if need := uint64(perHost*hosts + 100); want.Cur < need {
		return fmt.Errorf("the limit of open files is %d, the listeners need %d: ulimit -n", want.Cur, need)
	}
	return nil
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
