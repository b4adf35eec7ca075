//go:build linux

// Command rrl measures what a flood with forged addresses is worth to who sends it: a real node with and
// without response rate limiting, 50,000 queries a second from one /24 for a large answer, and an honest
// client of another prefix beside them.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"vitalns/test/live"
)

const (
	honestRate = 100 // queries a second of the honest client
	// What must be reached: the bytes of responses with limits are at most this share of those without,
	// and the honest client loses nothing.
	mustShare = 0.10
	patience  = 30 * time.Second
)

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	rate := flag.Int("rate", 50_000, "queries a second of the flood")
	long := flag.Duration("t", 5*time.Second, "how long it lasts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, *binary, *rate, *long)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-rrl:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, binary string, rate int, long time.Duration) (err error) {
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	zone := filepath.Join(stage.Dir, "zone.toml")
	if err := os.WriteFile(zone, zoneFile(), 0o644); err != nil {
		return err
	}
	fmt.Printf("vitalns rate limiting: a flood of %d q/s for %s from one /24, an honest client of %d q/s in another; %d CPUs, %s\n",
		rate, long, honestRate, runtime.NumCPU(), runtime.Version())
	without, err := measure(ctx, stage, "without", zone, "enabled = false", rate, long)
	if err != nil {
		return err
	}
	with, err := measure(ctx, stage, "with", zone, "exempt = []", rate, long)
	if err != nil {
		return err
	}
	return verdict(without, with)
}

// zoneFile is a zone with an answer that is worth asking for: nearly as large as UDP takes.
func zoneFile() []byte {
	var b bytes.Buffer
	b.WriteString("zone = \"bench.example\"\nns = { ns1 = \"192.0.2.53\" }\n[records.www]\nA = \"192.0.2.80\"\n[records.big]\nTXT = [\n")
	for i := range 4 {
		fmt.Fprintf(&b, "  \"%d %s\",\n", i, strings.Repeat("large ", 40))
	}
	b.WriteString("]\n")
	return b.Bytes()
}

// A result is what one flood came to.
type result struct {
	took             time.Duration
	sent             int    // queries of the flood
	bytesIn          uint64 // in them
	bytesOut         uint64 // in the responses to the flood, as they arrived
	answers, slipped uint64 // among those
	asked, lost      int    // of the honest client
	unread           uint64 // queries that the kernel dropped, since the node did not read them in time
}

// measure starts a node and lets the flood loose on it.
func measure(ctx context.Context, stage *live.Stage, name, zone, rrl string, rate int, long time.Duration) (result, error) {
	nodes, err := stage.Nodes(name, live.Setup{Zones: []string{zone}, Nodes: 1})
	if err != nil {
		return result{}, err
	}
	n := nodes[0]
	f, err := os.OpenFile(n.File, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return result{}, err
	}
	_, err = fmt.Fprintf(f, "[dns.rrl]\n%s\n", rrl)
	if err = errors.Join(err, f.Close()); err != nil {
		return result{}, err
	}
	if err := n.Start(); err != nil {
		return result{}, err
	}
	readyCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := n.Ready(readyCtx); err != nil {
		return result{}, err
	}
	r, err := attack(ctx, n.DNS, rate, long)
	if err != nil {
		return r, err
	}
	if r.unread, err = unread(n.DNS); err != nil {
		return r, err
	}
	fmt.Printf("  %-8s %7d queries (%.0f q/s, %.1f MB), %7d answers, %5d truncated: %7.2f MB out; honest client: %d of %d answered\n", name,
		r.sent, float64(r.sent)/r.took.Seconds(), mega(r.bytesIn), r.answers, r.slipped, mega(r.bytesOut), r.asked-r.lost, r.asked)
	if r.unread > 0 {
		fmt.Printf("    the kernel dropped %d queries, whoever sent them: the node got too little CPU to read them\n", r.unread)
	}
	for line := range strings.Lines(n.Proc.Output()) {
		if strings.Contains(line, "responses") {
			fmt.Print("    log: ", line)
		}
	}
	return r, n.Proc.Kill()
}

// unread is what the kernel has dropped of what was sent to an address.
func unread(addr string) (uint64, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	raw, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0, err
	}
	ip := at.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
	var dropped uint64
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == local {
			n, err := strconv.ParseUint(f[len(f)-1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/net/udp: %w", err)
			}
			dropped += n
		}
	}
	return dropped, nil
}

func mega(n uint64) float64 { return float64(n) / 1e6 }

func verdict(without, with result) error {
	if without.answers == 0 {
		return errors.New("without limits nothing was answered: nothing is measured")
	}
	// The floods may differ by some queries: what counts is a query's worth.
	share := float64(with.bytesOut) / float64(with.sent) / (float64(without.bytesOut) / float64(without.sent))
	var missed []string
	judge := func(what string, ok bool) {
		state := "ok"
		if !ok {
			state = "MISSED"
			missed = append(missed, what)
		}
		fmt.Printf("%s: %s\n", what, state)
	}
	judge(fmt.Sprintf("bytes out per query: %.2f %% of those without limits, must be <= %.0f %%", 100*share, 100*mustShare), share <= mustShare)
	judge(fmt.Sprintf("amplification: %.2f bytes out per byte in, without limits %.2f", amplification(with), amplification(without)), true)
	judge(fmt.Sprintf("the honest client lost %d of %d, must be 0", with.lost, with.asked), with.lost == 0)
	if len(missed) > 0 {
		return errors.New(strings.Join(missed, "; "))
	}
	return nil
}

func amplification(r result) float64 { return float64(r.bytesOut) / float64(r.bytesIn) }
