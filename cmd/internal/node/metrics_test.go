package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/checks/runner"
	"vitalns/dnsserver"
	"vitalns/test/simnet"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

const metricsZone = `
zone = "m.test"
ns = { ns1 = "192.0.2.53" }
[checks.web]
type = "tcp"
port = 80
fall = 2
rise = 1
[pools.web]
check = "web"
fallback = "sorry"
targets = [
  { name = "lon", address = "203.0.113.1" },
  { name = "fra", address = "203.0.113.2" },
  { name = "old", address = "203.0.113.3", state = "drain" },
]
[pools.sorry]
targets = [{ name = "static", address = "192.0.2.99" }]
[pools.lost]
check = "web"
targets = [{ name = "only", address = "203.0.113.9" }]
[records.www]
pool = "web"
[records.lost]
pool = "lost"
[records.text]
TXT = ["one", "two"]
`

// A scene is the world of a few nodes in a bubble: which targets are down, as each node sees it.
type scene struct {
	t   *testing.T
	net *simnet.Net

	mu   sync.Mutex // protects down
	down map[string]bool
}

// fails makes a target fail for a node, or for all ("").
func (s *scene) fails(node, address string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[node+" "+address] = down
}

// sceneProber probes the scene as one node.
type sceneProber struct {
	*scene
	node string
}

func (p sceneProber) Probe(_ context.Context, t checks.Target) checks.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down[p.node+" "+t.Host] || p.down[" "+t.Host] {
		return checks.Result{Kind: checks.Failed, Reason: "refused", Latency: time.Millisecond}
	}
	return checks.Result{Kind: checks.OK, Latency: 2 * time.Millisecond, CertNotAfter: time.Now().Add(240 * time.Hour)}
}

func (s *scene) load(node, zone string) Loaded {
	sources, problems := zonefile.Load([]zonefile.File{{Path: "zone.toml", Text: []byte(zone)}}, zonefile.Options{Env: &probe.Env{}, Nodes: 2, Cluster: true})
	l := Loaded{File: &File{Node: node}, Sources: sources, Problems: problems}
	if problems.Errors() > 0 {
		return l
	}
	for _, src := range sources {
		for i := range src.Watches {
			src.Watches[i].Prober = sceneProber{s, node}
		}
		l.Digest = checks.Digest(binary.BigEndian.Uint64(src.Content[:]))
	}
	var err error
	if l.Set, err = zones.Compile(sources); err != nil {
		s.t.Fatal(err)
	}
	return l
}

// asked is a Server that has counted what it is told.
type asked struct{ counts dnsserver.Stats }

func (a asked) Serve(ctx context.Context) error { <-ctx.Done(); return nil }
func (a asked) Forget()                         {}
func (a asked) Addrs() []netip.AddrPort         { return nil }
func (a asked) Stats() dnsserver.Stats          { return a.counts }
func (a asked) Reload()                         {}
func (a asked) Close() error                    { return nil }

func (a asked) AddrsOf(dnsserver.Transport) []netip.AddrPort { return nil }

func someStats() dnsserver.Stats {
	h := dnsserver.Histogram{Bounds: []float64{.1, 1}, Counts: []uint64{3, 0, 1}, Sum: 5}
	return dnsserver.Stats{
		Requests:  []dnsserver.RequestCount{{Zone: "m.test", Proto: "udp", Family: "6", Type: "A", N: 7}, {Zone: "none", Proto: "tcp", Family: "4", Type: "other", N: 1}},
		Responses: []dnsserver.ResponseCount{{Zone: "m.test", Rcode: "NOERROR", Source: "pool", N: 7}},
		Durations: []dnsserver.ZoneHistogram{{Zone: "m.test", Histogram: h}},
		Truncated: []dnsserver.ZoneCount{{Zone: "m.test", N: 2}}, ECS: []dnsserver.ZoneCount{{Zone: "m.test", N: 3}},
		Sizes:   []dnsserver.ProtoHistogram{{Proto: "udp", Histogram: h}},
		Targets: []dnsserver.TargetCount{{Zone: "m.test", Pool: "web", Target: "lon", N: 5}, {Zone: "m.test", Pool: "web", Target: "removed", N: 5}},
		Cookies: []dnsserver.CookieCount{{Result: "valid", N: 8}},
		Dropped: []dnsserver.DropCount{{Reason: "malformed", N: 4}}, Panics: 1,
		Streams: []dnsserver.StreamCount{{Proto: "tcp", N: 6}}, Ended: []dnsserver.EndCount{{Proto: "dot", Reason: "idle", N: 3}},
		Certificate: &dnsserver.CertificateStats{NotAfter: time.Unix(4102444800, 0)},
	}
}

// start runs a node until the end of the bubble.
func (s *scene) start(ctx context.Context, name, zone string, wg *sync.WaitGroup, peers ...string) *Node {
	addr := peers[slices.Index([]string{"a", "b"}, name)]
	transport, err := s.net.Transport(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	n := New(Config{Node: name, Site: "lab", Version: "1.2.3", StartGrace: 5 * time.Second, Cluster: &Cluster{Bind: addr, Join: peers, Nodes: 2, Name: "test"}},
		World{Load: func() Loaded { return s.load(name, zone) }, Transport: transport, Seed: uint64(name[0]),
			Listen: func(Answers) (Server, error) { return asked{someStats()}, nil }},
		s.load(name, zone))
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	return n
}

// twoNodes runs a and b in a bubble, and then f.
func twoNodes(t *testing.T, zoneA, zoneB string, f func(s *scene, a, b *Node)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, net: simnet.New(1), down: map[string]bool{}}
		s.net.SetDelay(time.Millisecond, 0)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		peers := []string{"127.0.0.1:7946", "127.0.0.2:7946"}
		a := s.start(ctx, "a", zoneA, &wg, peers...)
		b := s.start(ctx, "b", zoneB, &wg, peers...)
		time.Sleep(20 * time.Second)
		f(s, a, b)
		stop()
		wg.Wait()
		time.Sleep(5 * time.Second) // memberlist's last pings end
	})
}

// shown are the lines of /metrics: series by name and labels.
func shown(t *testing.T, n *Node) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(n.Registry(), promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("/metrics: %d: %s", w.Code, w.Body)
	}
	series := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			if err != nil {
				t.Fatal(err)
			}
			series[line[:at]] = v
		}
	}
	return series
}

func expect(t *testing.T, series map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		got, ok := series[name]
		if !ok {
			t.Errorf("%s is missing", name)
		} else if got != v {
			t.Errorf("%s: got %v, want %v", name, got, v)
		}
	}
}

// What two nodes show of a failover, an override, votes that differ and queries; every metric of the
// catalogue is there, and the linter has no complaint.
func TestMetrics(t *testing.T) {
	twoNodes(t, metricsZone, metricsZone, func(s *scene, a, b *Node) {
		s.fails("", "203.0.113.1", true)
		s.fails("", "203.0.113.9", true)
		s.fails("b", "203.0.113.2", true)
		ctx := context.Background()
		time.Sleep(10 * time.Second)
		if _, err := b.Override(ctx, OverrideRequest{Target: "m.test/web/fra", State: "drain", Reason: "test", For: Seconds(time.Hour), Force: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		series := shown(t, a)
		const web, lost = `pool="web",`, `pool="lost",`
		at := func(name, pool, rest string) string {
			return fmt.Sprintf(`vitalns_%s{%s%szone="m.test"}`, name, pool, rest)
		}
		expect(t, series, map[string]float64{
			at("target_up", web, `target="lon",`):                                       0,
			at("target_up", web, `target="fra",`):                                       1,
			at("target_up", `pool="sorry",`, `target="static",`):                        1,
			at("cluster_dissent", web, `target="fra",`):                                 1,
			at("cluster_dissent", web, `target="lon",`):                                 0,
			at("check_success", web, `target="lon",`):                                   0,
			at("check_success", web, `target="fra",`):                                   1,
			at("target_transitions_total", web, `target="lon",to="down",`):              1,
			at("target_transitions_total", web, `target="lon",to="up",`):                1,
			at("target_override", web, `state="drain",target="fra",`):                   1,
			at("target_file_state", web, `state="drain",target="old",`):                 1,
			at("pool_targets", web, `state="down",`):                                    1,
			at("pool_targets", web, `state="drain",`):                                   2,
			at("pool_fallback_active", web, ""):                                         1,
			at("pool_serving", `pool="sorry",`, `target="static",`):                     1,
			at("pool_serving", web, `target="fra",`):                                    0,
			at("pool_all_down", lost, ""):                                               1,
			at("pool_failovers_total", web, ""):                                         2,
			at("pool_answers_total", web, `target="lon",`):                              5,
			at("pool_answers_total", web, `target="fra",`):                              0,
			`vitalns_check_interval_seconds{pool="web",target="lon",zone="m.test"}`:     2,
			`vitalns_dns_requests_total{family="2",proto="udp",type="A",zone="m.test"}`: 7,
			`vitalns_dns_request_duration_seconds_bucket{zone="m.test",le="1"}`:         3,
			`vitalns_dns_request_duration_seconds_count{zone="m.test"}`:                 4,
			`vitalns_failover_detection_seconds_count`:                                  1,
			`vitalns_cluster_members{state="alive"}`:                                    2,
			`vitalns_cluster_expected_members`:                                          2,
			`vitalns_cluster_quorum`:                                                    1,
			`vitalns_cluster_config_mismatch`:                                           0,
			`vitalns_config_reloads_total{result="success"}`:                            2,
			`vitalns_config_last_reload_successful`:                                     1,
			`vitalns_zone_records{zone="m.test"}`:                                       5, // SOA, NS, its A, two TXT
			`vitalns_panics_total`:                                                      1,
			`vitalns_ready`:                                                             1,
			`vitalns_metrics_truncated`:                                                 0,
			`vitalns_node_info{node="a",site="lab"}`:                                    1,
		})
		if got := series[at("target_override_expiry_timestamp_seconds", web, `target="fra",`)] - float64(time.Now().Unix()); got < 3590 || got > 3600 {
			t.Errorf("the override expires in %v s", got)
		}
		if problems, err := testutil.GatherAndLint(a.Registry()); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
		gatheredAll(t, a)
	})
}

// gatheredAll checks that a node shows each family of the catalogue, so that none is dead.
func gatheredAll(t *testing.T, n *Node) {
	got, err := n.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, g := range got {
		names[g.GetName()] = true
	}
	for _, f := range newMetrics(n).families {
		if !names[f.name] {
			t.Errorf("%s is not shown", f.name)
		}
	}
}

// Too many targets, pools or zones are not shown one by one, and the node says so.
func TestMetricsBounded(t *testing.T) {
	var zone strings.Builder
	zone.WriteString("zone = \"m.test\"\nns = { ns1 = \"192.0.2.53\" }\n")
	for i := range maxPoolSeries + 1 {
		fmt.Fprintf(&zone, "[pools.p%d]\ntargets = [{ name = \"t\", address = \"192.0.2.1\" }]\n[records.r%d]\npool = \"p%d\"\n", i, i, i)
	}
	twoNodes(t, metricsZone, zone.String(), func(_ *scene, _, b *Node) {
		series := shown(t, b)
		expect(t, series, map[string]float64{`vitalns_metrics_truncated`: 1, `vitalns_cluster_config_mismatch`: 1})
		for name := range series {
			if strings.Contains(name, "pool=") || strings.Contains(name, "target=") {
				t.Fatalf("%s is shown", name)
			}
		}
	})
}

// Zones and checks above the bounds are added up under one label.
func TestMetricsFolded(t *testing.T) {
	st := someStats()
	for i := range maxZoneSeries {
		z := fmt.Sprintf("z%d.test", i)
		st.Requests = append(st.Requests, dnsserver.RequestCount{Zone: z, Proto: "udp", Family: "6", Type: "A", N: 1})
		st.Responses = append(st.Responses, dnsserver.ResponseCount{Zone: z, Rcode: "NOERROR", Source: "pool", N: 1})
		st.Durations = append(st.Durations, dnsserver.ZoneHistogram{Zone: z, Histogram: st.Durations[0].Histogram})
		st.Truncated = append(st.Truncated, dnsserver.ZoneCount{Zone: z, N: 1})
	}
	out := foldZones(st)
	if len(out.Requests) != 2 || len(out.Responses) != 1 || len(out.Durations) != 1 || len(out.Truncated) != 1 {
		t.Fatalf("folded: %+v", out)
	}
	if h := out.Durations[0]; h.Zone != everything || h.Counts[0] != 3*(maxZoneSeries+1) || h.Sum != 5*(maxZoneSeries+1) || st.Durations[0].Counts[0] != 3 {
		t.Errorf("durations: %+v", h)
	}
	if out.Responses[0].N != maxZoneSeries+7 || out.Truncated[0].N != maxZoneSeries+2 {
		t.Errorf("counts: %+v %+v", out.Responses, out.Truncated)
	}
	checks := map[string]runner.CheckStats{}
	for i := range 3 {
		checks[fmt.Sprint(i)] = runner.CheckStats{Success: 2, Timeout: 1, Duration: runner.Histogram{Bounds: []float64{1}, Counts: []uint64{1, 2}, Sum: 4}}
	}
	if sum := foldChecks(checks); sum.Success != 6 || sum.Timeout != 3 || sum.Duration.Counts[1] != 6 || sum.Duration.Sum != 12 {
		t.Errorf("checks: %+v", sum)
	}
}

// A scrape never fails: neither before the node runs nor when its loop hangs.
func TestMetricsWithoutLoop(t *testing.T) {
	s := &scene{t: t}
	n := New(Config{Node: "a"}, World{}, s.load("a", metricsZone))
	expect(t, shown(t, n), map[string]float64{`vitalns_ready`: 0, `vitalns_metrics_truncated`: 0})

	twoNodes(t, metricsZone, metricsZone, func(_ *scene, a, _ *Node) {
		hang := make(chan struct{})
		go func() { _ = a.call(context.Background(), func(time.Time) { <-hang }) }()
		synctest.Wait()
		expect(t, shown(t, a), map[string]float64{`vitalns_ready`: 1, `vitalns_metrics_truncated`: 1, `vitalns_dns_tcp_connections{proto="tcp"}`: 6})
		close(hang)
	})
}

var update = flag.Bool("update", false, "rewrite the page on metrics from what the program has")

// The page on metrics has each of them with its type, labels and question, as the program has them.
func TestMetricsDocumented(t *testing.T) {
	const page = "../../../etc/doc/metrics.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->\n"
	head, rest, ok := strings.Cut(string(raw), begin)
	got, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no part between %q and %q", page, begin, end)
	}
	want := catalogueText(newMetrics(New(Config{}, World{}, Loaded{})))
	if *update {
		if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != want {
		t.Errorf("%s is not what the program shows (go test ./cmd/internal/node -run Documented -update rewrites it); it is to say\n%s", page, want)
	}
}

func catalogueText(m *metrics) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | the question it answers |\n|---|---|---|---|\n")
	for _, f := range m.families {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, cmp.Or(strings.Join(f.labels, ", "), "–"), f.help)
	}
	return b.String()
}
