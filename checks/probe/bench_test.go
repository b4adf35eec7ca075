package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vitalns/checks"
)

// The target of a benchmark is another process, so that its work is not counted: `cpu-us/op` is this
// process, user and system, with the half of loopback's TCP that the kernel does in our name.

const targetVariable = "VITALNS_BENCH_TARGET"

func benchTarget() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	if os.Getenv(targetVariable) == "http" {
		panic(http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	for {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
		}
	}
}

func startTarget(b *testing.B, kind string) netip.AddrPort {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), targetVariable+"="+kind)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var s string
	if _, err := fmt.Fscan(out, &s); err != nil {
		b.Fatal(err)
	}
	return netip.MustParseAddrPort(s)
}

func cpuTime() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // cannot fail with these arguments
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func benchmark(b *testing.B, c Check, to netip.AddrPort, want checks.ResultKind) {
	b.Helper()
	target := Target(c, to.Addr().String(), time.Second)
	target.Port = to.Port()
	p := c.Prober(testEnv)
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		if r := p.Probe(ctx, target); r.Kind != want {
			b.Fatal(r.Kind, r.Reason)
		}
		cancel()
	}
	each := (cpuTime() - before).Seconds() / float64(b.N)
	b.ReportMetric(each*1e6, "cpu-us/op")
	b.ReportMetric(each*2000*100, "%core@2000/s")
}

func BenchmarkTCP(b *testing.B) {
	benchmark(b, configured(b, "tcp", number("port", 1)), startTarget(b, "tcp"), checks.OK)
}

// BenchmarkTCPPaced is 2,000 probes a second in bursts of two, each in a goroutine of its own: with the
// price of waking an idle process each millisecond, which BenchmarkPaceAlone shows by itself.
func BenchmarkTCPPaced(b *testing.B) {
	c, to := configured(b, "tcp", number("port", 1)), startTarget(b, "tcp")
	target := Target(c, to.Addr().String(), time.Second)
	target.Port = to.Port()
	p := c.Prober(testEnv)
	pace(b, func(ctx context.Context) {
		if r := p.Probe(ctx, target); r.Kind != checks.OK {
			b.Error(r.Kind, r.Reason)
		}
	})
}

func BenchmarkPaceAlone(b *testing.B) { pace(b, func(context.Context) {}) }

func pace(b *testing.B, probe func(context.Context)) {
	b.Helper()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	var wg sync.WaitGroup
	before, start := cpuTime(), time.Now()
	for b.Loop() {
		<-ticks.C
		for range 2 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(b.Context(), time.Second)
				defer cancel()
				probe(ctx)
			})
		}
	}
	wg.Wait()
	b.ReportMetric(100*float64(cpuTime()-before)/float64(time.Since(start)), "%core")
	b.ReportMetric(2*float64(b.N)/time.Since(start).Seconds(), "probes/s")
}

func BenchmarkTCPRefused(b *testing.B) {
	benchmark(b, configured(b, "tcp", number("port", 1)), closedPort(b), checks.Failed)
}

func BenchmarkHTTP(b *testing.B) {
	benchmark(b, configured(b, "http", text("host", "h")), startTarget(b, "http"), checks.OK)
}

// The allocations of a tcp probe, context not counted: a budget, so that 10,000 targets stay cheap.
func TestTCPAllocations(t *testing.T) {
	to := listen(t, "127.0.0.1:0", func(net.Conn) {})
	c := configured(t, "tcp", number("port", 1))
	target := Target(c, to.Addr().String(), long)
	target.Port = to.Port()
	p := c.Prober(testEnv)
	allocs := testing.AllocsPerRun(200, func() {
		if r := p.Probe(t.Context(), target); r.Kind != checks.OK {
			t.Error(r.Reason)
		}
	})
	const budget = 20
	if allocs > budget {
		t.Errorf("%v allocations for one tcp probe, more than %d", allocs, budget)
	}
}
