//go:build linux

// Command gossip measures what a quiet cluster says: five real nodes on loopback with 1,000 targets that
// stay up, and the bytes that each sends a second, as the node counts them and as they pass the network.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
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
	nodes    = 5
	targets  = 1000
	perPool  = 100
	patience = 60 * time.Second
	// mustRate is the most that a node may send a second.
	mustRate = 2000
	// The news of the start goes on for a while: memberlist repeats it at its own pace, at most longest.
	// It is over when a node has sent no more than mustRate for a look.
	look    = 5 * time.Second
	longest = 3 * time.Minute
)

func main() {
	binary := flag.String("vitalns", "./vitalns", "the binary to measure")
	long := flag.Duration("t", time.Minute, "how long to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, *binary, *long)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-gossip:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, binary string, long time.Duration) (err error) {
	stage, err := live.Open(binary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	var accepting live.Acceptor
	defer func() { err = errors.Join(err, accepting.Close()) }()
	zone, err := backends(stage.Dir, &accepting)
	if err != nil {
		return err
	}
	cluster, err := stage.Nodes("ns", live.Setup{Zones: []string{zone}, Nodes: nodes})
	if err != nil {
		return err
	}
	for _, n := range cluster {
		if err := n.Start(); err != nil {
			return err
		}
	}
	if err := steady(ctx, cluster); err != nil {
		return err
	}
	fmt.Printf("vitalns gossip: %d nodes, %d targets that stay up, %s; %d CPUs, %s\n", nodes, targets, long, runtime.NumCPU(), runtime.Version())
	if err := settle(ctx, cluster); err != nil {
		return err
	}
	w, permitted := openWire(cluster)
	before, err := sent(ctx, cluster)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait(ctx, long); err != nil {
		return err
	}
	after, err := sent(ctx, cluster)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if err := steady(ctx, cluster); err != nil {
		return fmt.Errorf("it was not quiet: %w", err)
	}
	most := 0.0
	for i, n := range cluster {
		rate := (after[i] - before[i]) / took
		most = max(most, rate)
		fmt.Printf("  %s sends %5.0f bytes a second (vitalns_cluster_sent_bytes_total)\n", n.Name, rate)
	}
	if permitted == nil {
		rate := float64(w.close()) / took / nodes
		most = max(most, rate)
		fmt.Printf("  on loopback, with the headers of IP, UDP and TCP: %.0f bytes a second per node\n", rate)
	} else {
		fmt.Printf("  on loopback, with headers: not measured (%v)\n", permitted)
	}
	if most > mustRate {
		return fmt.Errorf("%.0f bytes a second: must be <= %d: MISSED", most, mustRate)
	}
	fmt.Printf("at most %.0f bytes a second per node, must be <= %d: ok\n", most, mustRate)
	return nil
}

// backends opens a listener for every target and writes the zone file that names them.
func backends(dir string, accepting *live.Acceptor) (zone string, err error) {
	addrs, err := live.Loopback(targets / 4) // four ports of each address
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	b.WriteString("zone = \"bench.example\"\nns = { ns1 = \"192.0.2.53\" }\n[checks.tcp]\ntype = \"tcp\"\nport = 1\ninterval = \"10s\"\n")
	for i := range targets {
		at := addrs[i%len(addrs)].Addr()
		l, err := net.Listen("tcp", net.JoinHostPort(at.String(), "0"))
		if err != nil {
			return "", err
		}
		accepting.Accept(l, nil)
		if i%perPool == 0 {
			fmt.Fprintf(&b, "[records.p%d]\npool = \"p%d\"\n[pools.p%d]\ncheck = \"tcp\"\ntargets = [\n", i/perPool, i/perPool, i/perPool)
		}
		fmt.Fprintf(&b, "  { name = \"t%d\", address = \"%s\", check = { use = \"tcp\", port = %d } },\n", i, at, l.Addr().(*net.TCPAddr).Port)
		if (i+1)%perPool == 0 {
			b.WriteString("]\n")
		}
	}
	zone = filepath.Join(dir, "zone.toml")
	return zone, os.WriteFile(zone, b.Bytes(), 0o644)
}

// steady waits until every node hears every other and every target is up by all votes.
func steady(ctx context.Context, cluster []*live.Node) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		missing := ""
		for _, n := range cluster {
			st, err := n.Status(ctx)
			if err != nil || !st.Steady(nodes) {
				missing = n.Name
				break
			}
		}
		if missing == "" {
			return nil
		}
		if err := wait(ctx, time.Second); err != nil {
			return fmt.Errorf("%s does not have every target up by %d votes after %s", missing, nodes, patience)
		}
	}
}

// settle waits until the news of the start is spread.
func settle(ctx context.Context, cluster []*live.Node) error {
	began := time.Now()
	last, err := sent(ctx, cluster)
	for err == nil && time.Since(began) < longest {
		if err = wait(ctx, look); err != nil {
			return err
		}
		var now []float64
		if now, err = sent(ctx, cluster); err != nil {
			return err
		}
		loud := false
		for i := range now {
			loud = loud || now[i]-last[i] > mustRate*look.Seconds()
		}
		if last = now; !loud {
			fmt.Printf("  quiet %.0f s after every target was up everywhere; until then each sent %.0f kB in all\n", time.Since(began).Seconds(), now[0]/1000)
			return nil
		}
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sent is what each node says that it has sent.
func sent(ctx context.Context, cluster []*live.Node) ([]float64, error) {
	var all []float64
	for _, n := range cluster {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+"/metrics", nil)
		if err != nil {
			return nil, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		v, err := metric(resp.Body, "vitalns_cluster_sent_bytes_total")
		_ = resp.Body.Close() // read as far as needed
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		all = append(all, v)
	}
	return all, nil
}

func metric(r io.Reader, name string) (float64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
