package node

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vitalns/checks"
	"vitalns/checks/runner"
	"vitalns/dnsserver"
)

// Bounds of what is shown one by one. Above them the series of single targets and pools are left out, and
// those of single zones and checks are added up under the label everything: vitalns_metrics_truncated
// says so.
const (
	maxTargetSeries = 2000 // targets of all pools
	maxPoolSeries   = 2000
	maxZoneSeries   = 500
	maxCheckSeries  = 500

	everything = "(all)" // neither a zone nor a check can have this name
)

// scrapeWithin is how long a scrape waits for the loop. A node whose loop does not answer shows what can
// be told without it.
const scrapeWithin = 2 * time.Second

// newRegistry returns a registry with the metrics of a node, the process and the runtime. Current states
// are read at scrape from what the node serves; nothing is set along the way.
func newRegistry(n *Node) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
		newMetrics(n),
	)
	return r
}

// A family is one metric: its help is the question of an operator that it answers.
type family struct {
	name, kind, help string
	labels           []string
	desc             *prometheus.Desc
}

// families lists all metrics, in the order in which they are documented.
type families []*family

func (fs *families) add(kind, name, help string, labels []string) *family {
	name = "vitalns_" + name
	f := &family{name, kind, help, labels, prometheus.NewDesc(name, help, labels, nil)}
	*fs = append(*fs, f)
	return f
}

func (fs *families) gauge(name, help string, labels ...string) *family {
	return fs.add("gauge", name, help, labels)
}

func (fs *families) counter(name, help string, labels ...string) *family {
	return fs.add("counter", name, help, labels)
}

func (fs *families) histogram(name, help string, labels ...string) *family {
	return fs.add("histogram", name, help, labels)
}

// metrics is the Collector of a node. Each part holds the families of one subject and knows how to make
// their values from a scrape.
type metrics struct {
	node *Node
	families
	control controlMetrics
	dns     dnsMetrics
	cookies cookieMetrics
	rrl     rrlMetrics
	pools   poolMetrics
	targets targetMetrics
	checks  checkMetrics
	cluster clusterMetrics
	streams streamMetrics
}

func newMetrics(n *Node) *metrics {
	m := &metrics{node: n}
	m.control = newControlMetrics(&m.families)
	m.pools = newPoolMetrics(&m.families)
	m.targets = newTargetMetrics(&m.families)
	m.checks = newCheckMetrics(&m.families)
	m.dns = newDNSMetrics(&m.families)
	m.cookies = newCookieMetrics(&m.families)
	m.rrl = newRRLMetrics(&m.families)
	m.cluster = newClusterMetrics(&m.families)
	m.streams = newStreamMetrics(&m.families)
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range m.families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := &scrape{node: m.node, out: ch, counted: m.node.counters.reading()}
	if server := m.node.server.Load(); server != nil {
		s.dns = (*server).Stats()
		m.dns.collect(s)
		m.streams.collect(s)
		m.rrl.collect(s)
	}
	if s.read() {
		m.pools.collect(s)
		m.targets.collect(s)
		m.checks.collect(s)
		m.cluster.collect(s)
	}
	m.cookies.collect(s)
	m.control.collect(s) // last: it tells what was left out
}

// A scrape is what the metrics of one moment are made from, and where they go.
type scrape struct {
	node      *Node
	out       chan<- prometheus.Metric
	truncated bool // something is left out or added up
	counted   counted
	dns       dnsserver.Stats // nothing before the node is ready
	answered  bool            // the loop did; what follows is set only then

	moment
	runs    runner.Stats
	reports map[checks.Target]runner.Report
	watches map[checks.Target]checks.Watch
}

// read asks the parts of a node that runs. It reports false before they are made, and when the loop does
// not answer in time.
func (s *scrape) read() bool {
	select {
	case <-s.node.begun:
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	m, err := s.node.moment(ctx)
	if err != nil {
		s.truncated = true
		return false
	}
	s.answered, s.moment = true, m
	s.runs, s.reports = s.node.runner.Stats(), s.node.runner.Reports()
	s.watches = make(map[checks.Target]checks.Watch, len(s.reports))
	for _, w := range m.loaded.Watches() {
		if _, ok := s.watches[w.Target]; !ok {
			s.watches[w.Target] = w // the first counts
		}
	}
	return true
}

// put sends one value. Names that come from other nodes may hold anything: labels must be UTF-8.
func (s *scrape) put(f *family, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.kind == "counter" {
		kind = prometheus.CounterValue
	}
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?")
	}
	s.out <- prometheus.MustNewConstMetric(f.desc, kind, v, labels...)
}

func (s *scrape) count(f *family, n uint64, labels ...string) { s.put(f, float64(n), labels...) }

func (s *scrape) is(f *family, yes bool, labels ...string) {
	v := 0.0
	if yes {
		v = 1
	}
	s.put(f, v, labels...)
}

// at sends a moment, unless it is none.
func (s *scrape) at(f *family, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.put(f, float64(t.UnixNano())/1e9, labels...)
	}
}

// A distribution is a histogram of any part: counts by bucket, the last above all bounds.
type distribution struct {
	bounds []float64
	counts []uint64
	sum    float64
}

// plus returns the sum of two distributions of the same bounds; the zero distribution has none.
func (d distribution) plus(e distribution) distribution {
	if d.bounds == nil {
		return e
	}
	sum := distribution{d.bounds, append([]uint64(nil), d.counts...), d.sum + e.sum}
	for i, n := range e.counts {
		sum.counts[i] += n
	}
	return sum
}

func (s *scrape) spread(f *family, d distribution, labels ...string) {
	buckets, total := make(map[float64]uint64, len(d.bounds)), uint64(0)
	for i, b := range d.bounds {
		total += d.counts[i]
		buckets[b] = total
	}
	total += d.counts[len(d.bounds)]
	s.out <- prometheus.MustNewConstHistogram(f.desc, total, d.sum, buckets, labels...)
}
