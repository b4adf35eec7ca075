//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

const reloads = 3

// reload reloads the zone, changed, under load, and counts the queries that are lost.
func (b *bench) reload(ctx context.Context, rate int) error {
	dnsperf, err := exec.LookPath("dnsperf")
	if err != nil {
		fmt.Println("  reload under load: not measured (Debian package dnsperf)")
		return nil
	}
	zone, err := b.write("changing.zone", b.names)
	if err != nil {
		return err
	}
	r, err := b.start(ctx, servers[0], zone, "h0000000."+origin)
	if err != nil {
		return err
	}
	if _, _, err := r.rest(ctx); err != nil {
		return err
	}
	questions, err := b.questions()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	load := exec.CommandContext(ctx, dnsperf, "-s", host, "-p", port, "-d", questions, "-Q", fmt.Sprint(rate), "-l", "3600", "-c", "8", "-q", "5000", "-t", "2")
	load.Cancel = func() error { return load.Process.Signal(os.Interrupt) }
	var said bytes.Buffer
	load.Stdout, load.Stderr = &said, &said
	if err := load.Start(); err != nil {
		return err
	}
	took, err := r.reloads(ctx, zone, b.names)
	if err := errors.Join(err, load.Process.Signal(os.Interrupt)); err != nil {
		return err
	}
	_ = load.Wait() // interrupted, it says what it has
	sent, lost, latency, err := counts(said.String())
	if err != nil {
		return err
	}
	rest, peak, err := r.rest(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  %d reloads beside %d q/s: %.2f s each, %d of %d queries lost (%s), latency %s; %.1f MB at rest afterwards, peak %.1f MB\n", reloads, rate,
		median(took).Seconds(), lost, sent, b.must(lost == 0, "%d queries lost in reloads", lost), latency, rest/1e6, peak/1e6)
	return r.Kill()
}

// reloads changes an address and reloads, again and again, and sees the new one answered.
func (r *running) reloads(ctx context.Context, zone string, names int) (took []time.Duration, err error) {
	for i := range reloads {
		if err := writeZone(zone, names, 100+i); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := r.post(ctx, "/api/v1/reload", ""); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		want := fmt.Sprintf("192.0.2.%d", 100+i)
		if err := r.await(ctx, "h0000000."+origin, func(addr string) bool { return addr == want }); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// questions writes what is asked: names at random.
func (b *bench) questions() (path string, err error) {
	path = filepath.Join(b.stage.Dir, "questions")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		fmt.Fprintf(w, "h%07d.%s A\n", 1+random.IntN(b.names-1), origin)
	}
	return path, errors.Join(w.Flush(), f.Close())
}

var (
	sentLine    = regexp.MustCompile(`Queries sent:\s+(\d+)`)
	lostLine    = regexp.MustCompile(`Queries lost:\s+(\d+)`)
	latencyLine = regexp.MustCompile(`Average Latency \(s\):\s+(.*)`)
)

// counts reads what dnsperf says at its end.
func counts(said string) (sent, lost int, latency string, err error) {
	a, b, c := sentLine.FindStringSubmatch(said), lostLine.FindStringSubmatch(said), latencyLine.FindStringSubmatch(said)
	if a == nil || b == nil || c == nil {
		return 0, 0, "", fmt.Errorf("dnsperf says: %s", said)
	}
	if sent, err = strconv.Atoi(a[1]); err != nil {
		return 0, 0, "", err
	}
	lost, err = strconv.Atoi(b[1])
	return sent, lost, c[1] + " s", err
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
