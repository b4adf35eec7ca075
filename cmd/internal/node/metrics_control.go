package node

import (
	"runtime"
	"runtime/debug"
	"time"

	"vitalns/zones"
)

// controlMetrics tell which program runs with which configuration, and whether it could keep its state.
type controlMetrics struct {
	build, self, ready, panics, truncated     *family
	config, lastReload, lastReloadAt, reloads *family
	stateErrors, stateSaved                   *family
	serial, records                           *family
	revision                                  string
}

func newControlMetrics(fs *families) controlMetrics {
	return controlMetrics{
		build:     fs.gauge("build_info", "Which build runs? Always 1; the labels tell.", "version", "revision", "goversion"),
		self:      fs.gauge("node_info", "Which node of the cluster is this instance, and at which site? Always 1; the labels tell.", "node", "site"),
		ready:     fs.gauge("ready", "Does this node answer queries? 0 while it still waits for its first verdicts or its peers; /readyz says for what."),
		panics:    fs.counter("panics_total", "How often was a query or a probe given up because of an error in the program? Anything but 0 is a bug to report; the log has the stack."),
		truncated: fs.gauge("metrics_truncated", "Is something left out here? 1 if there are too many targets, pools, zones or checks to show one by one, or if the node's loop did not answer the scrape in time."),

		config:       fs.gauge("config_info", "Which zones are served? Nodes that serve the same content show the same hash. Always 1.", "hash"),
		lastReload:   fs.gauge("config_last_reload_successful", "Were the files without errors when they were last read? 0: what was served before is served on, and edits since are not in force."),
		lastReloadAt: fs.gauge("config_last_reload_success_timestamp_seconds", "Since when are the files as served now in force?"),
		reloads:      fs.counter("config_reloads_total", "How often were the files read, the start included, and how did it end?", "result"),

		stateErrors: fs.counter("state_errors_total", "How often could the state directory not be read or written? Until it can, a restart may lose overrides."),
		stateSaved:  fs.gauge("state_last_save_successful", "Did the last write to the state directory succeed?"),

		serial:  fs.gauge("zone_serial", "Which SOA serial does this node show for a zone? It is to be the same on all nodes.", "zone"),
		records: fs.gauge("zone_records", "How many static records does a zone have, the SOA included? Addresses that come from pools do not count.", "zone"),

		revision: revision(),
	}
}

// revision is the commit that the program was built from, as far as the build knows.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

func (m controlMetrics) collect(s *scrape) {
	n := s.node
	s.put(m.build, 1, n.cfg.Version, m.revision, runtime.Version())
	s.put(m.self, 1, n.cfg.Node, n.cfg.Site)
	s.is(m.ready, n.Waiting() == "")
	s.count(m.panics, s.runs.Panics+s.dns.Panics)

	c := s.counted
	s.is(m.lastReload, c.lastOK)
	s.at(m.lastReloadAt, c.lastGood)
	s.count(m.reloads, c.reloads[0], "success")
	s.count(m.reloads, c.reloads[1], "failure")
	s.count(m.stateErrors, n.counters.stateErrors.Load()+n.saver.errors.Load())
	s.is(m.stateSaved, n.saver.lost.Load() == nil)
	if s.answered {
		s.put(m.config, 1, s.loaded.Hex())
		m.zones(s)
	}
	s.is(m.truncated, s.truncated)
}

func (m controlMetrics) zones(s *scrape) {
	all := s.table.Set().Zones()
	if len(all) > maxZoneSeries {
		s.truncated = true
		return
	}
	for i, z := range all {
		s.put(m.serial, float64(s.table.Serial(zones.ZoneID(i))), z.Label)
		s.put(m.records, float64(1+z.Records), z.Label)
	}
}

// counted is what the node itself has counted, at one moment.
type counted struct {
	transitions map[transition]uint64
	detection   distribution
	reloads     [2]uint64
	lastGood    time.Time
	lastOK      bool
}

// reading returns a copy of what is counted.
func (c *counters) reading() counted {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := counted{transitions: make(map[transition]uint64, len(c.transitions)), reloads: c.reloads, lastGood: c.lastGood, lastOK: c.lastOK}
	for t, n := range c.transitions {
		r.transitions[t] = n
	}
	r.detection = distribution{detectionBounds[:], append([]uint64(nil), c.detection[:]...), c.detected}
	return r
}
