package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// unprovoked are the alerts that nothing done here within a minute makes fire, and why. Their unit tests
// show them to fire.
var unprovoked = map[string]string{
	"VitalnsChecksStale":   "a node that runs probes; one that is stopped shows no metrics either",
	"VitalnsSelfOffline":   "the targets are on this host, so no node can lose them and its peers together",
	"VitalnsPanic":         "it takes an error in the program",
	"VitalnsRateLimitFull": "it takes millions of queries a second, or a rate of next to nothing",
}

// ofTheEnd are the alerts that fire once nodes are dead.
var ofTheEnd = []string{"VitalnsDown", "VitalnsQuorumLost", "VitalnsMemberMissing"}

// Three nodes, a fourth that is not ready, and a real Prometheus over them while backends die, flap and
// hang, files go bad, nodes differ and die: each alert fires, each panel has something to show, and
// promtool has no complaint about what is scraped.
func TestDashboardAndAlertsLive(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits for alerts, 20 s and more")
	}
	promtool := tool(t, "promtool")
	tool(t, "prometheus")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	w := newWorld(t)
	p := startPrometheus(t, w.stage, w.nodes)
	for _, n := range w.nodes[:3] {
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop := running(ctx, w.query)
	defer stop()
	defer running(ctx, w.flood)()
	if err := w.misfortune(ctx); err != nil {
		t.Fatal(err)
	}
	var first []string
	for _, name := range alerts(t) {
		if unprovoked[name] == "" && !slices.Contains(ofTheEnd, name) {
			first = append(first, name)
		}
	}
	if err := p.await(ctx, first, 60*time.Second); err != nil {
		t.Error(err)
	}
	lint(ctx, t, promtool, w.nodes[0].HTTP)
	if err := w.ends(); err != nil {
		t.Fatal(err)
	}
	if err := p.await(ctx, ofTheEnd, 60*time.Second); err != nil {
		t.Error(err)
	}
	if err := w.nodes[2].Start(); err != nil {
		t.Fatal(err)
	}
	everyPanel(ctx, t, p)
	everyRule(ctx, t, p)
}

// await waits until all of these alerts have fired.
func (p *prometheus) await(ctx context.Context, names []string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	missing := names
	for {
		fired, err := p.fired(ctx)
		if missing = slices.DeleteFunc(slices.Clone(missing), func(n string) bool { return fired[n] }); len(missing) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("prometheus has ended: %s", p.Output())
		case <-ctx.Done():
			return fmt.Errorf("did not fire within %s: %s (last asked: %v)", within, strings.Join(missing, ", "), err)
		}
	}
}

// lint has promtool look at what a node shows.
func lint(ctx context.Context, t *testing.T, promtool, addr string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// chosen fills in the variables of the dashboard as if all were chosen.
var chosen = strings.NewReplacer("$__rate_interval", "10s", "$job", "vitalns", "$instance", ".*", "$zone", ".*", "$pool", ".*")

func everyPanel(ctx context.Context, t *testing.T, p *prometheus) {
	t.Helper()
	d := readDashboard(t)
	exprs := map[string]string{}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			exprs["annotation "+a.Name] = a.Expr
		}
	}
	for _, panel := range d.Panels {
		for i, q := range panel.Targets {
			exprs[fmt.Sprintf("panel %s, %d", panel.Title, i+1)] = q.Expr
		}
	}
	all := len(exprs)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 20 { // what happened last is scraped in a second or two
		maps.DeleteFunc(exprs, func(_, expr string) bool {
			n, err := p.samples(ctx, chosen.Replace(expr))
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			return n > 0
		})
		if len(exprs) == 0 {
			t.Logf("%d expressions of panels and annotations have data", all)
			return
		}
		<-tick.C
	}
	for where, expr := range exprs {
		t.Errorf("%s: no data: %s", where, expr)
	}
}

// everyRule checks that Prometheus has all alerts, and evaluates them without an error.
func everyRule(ctx context.Context, t *testing.T, p *prometheus) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := p.ask(ctx, "/api/v1/rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				t.Errorf("%s: %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if want := len(alerts(t)); n != want {
		t.Errorf("prometheus has %d alerts, the file %d", n, want)
	}
}
