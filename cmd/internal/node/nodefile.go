package node

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vitalns/gossip"
	"vitalns/zones/zonefile"
)

// A File is a node file, read and checked: what DESIGN section 5 has. Its paths are usable as they are.
type File struct {
	Path       string
	Node, Site string
	Zones      []string // patterns
	StateDir   string
	StartGrace time.Duration

	Listen   []string
	Streams  FileStreams
	UDPSize  int
	Lameduck time.Duration
	RRL      FileRRL

	CookieFile string         // secrets of server cookies; "": those of the cluster
	Explain    []netip.Prefix // who is told why by CHAOS TXT; nil: loopback

	HTTP      string
	TokenFile string
	Control   string

	Source   []netip.Addr
	Resolver string

	Cluster *FileCluster // nil: a lone node

	LogLevel, LogFormat string

	Checks zonefile.Templates // templates for `extends` in any zone

	doc      *zonefile.Doc     // what was read, for problems that are found later
	patterns []*zonefile.Value // of Zones, in its order
	secrets  []secret          // for the Loader: the parser opens no other file
}

// A secret is a file that the node file names.
type secret struct {
	key  *zonefile.Value
	path *string
	load func(path string) error
	hint string // how to make a good one
}

// unwise is what a secret's load returns of one that can be used and should not be.
type unwise struct{ text, hint string }

func (u unwise) Error() string { return u.text }

// How to make secrets.
const (
	keyHint   = "make one with `vitalns keygen cluster`, the same file on every node"
	tokenHint = "`openssl rand -hex 16` makes one"
)

// FileCluster is the [cluster] of a node file.
type FileCluster struct {
	Bind       string
	Join       []string
	Nodes      int
	Counted    bool // Nodes is not written
	Name       string
	KeyFile    string
	VoteExpiry time.Duration
}

// Defaults of a node file. A lone `vitalns run ZONE.toml` listens on ports that need no privilege.
const (
	defaultStartGrace = 5 * time.Second
	defaultUDPSize    = 1232 // DNS flag day 2020
	defaultHTTP       = "127.0.0.1:8053"
	defaultDNS        = "127.0.0.1:5300"
	defaultStateDir   = "/var/lib/vitalns"
)

var (
	fileKeys = zonefile.Keys{
		Names: []string{"node", "site", "zones", "state_dir", "start_grace", "dns", "http", "control", "probe", "cluster", "log", "checks"},
		Later: map[string]string{"geo": "leave it out: pools can be chosen by `subnets` today"},
		Foreign: map[string]string{"name": "node", "hostname": "node", "id": "node", "location": "site", "region": "site", "statedir": "state_dir",
			"gossip": "cluster", "listen": "dns", "logging": "log", "admin": "http", "api": "http",
			"tls": "dns", "dot": "dns", "https": "dns", "doh": "dns", "rrl": "dns.rrl", "ratelimit": "dns.rrl"},
	}
	// ownKeys are those that a zone file does not have.
	ownKeys     = slices.DeleteFunc(slices.Clone(fileKeys.Names), func(name string) bool { return name == "checks" })
	httpKeys    = zonefile.Keys{Names: []string{"listen", "token_file"}}
	controlKeys = zonefile.Keys{Names: []string{"socket"}}
	probeKeys   = zonefile.Keys{Names: []string{"source", "resolver"}}
	clusterKeys = zonefile.Keys{Names: []string{"bind", "join", "nodes", "name", "key_file", "vote_expiry"},
		Foreign: map[string]string{"seeds": "join", "peers": "join", "size": "nodes", "expected": "nodes", "key": "key_file", "secret": "key_file"}}
	logKeys = zonefile.Keys{Names: []string{"level", "format"}}
)

// ParseFile reads a node file. What is wrong with it is in the problems; with errors among them the File
// is not to be used.
func ParseFile(path string, text []byte) (*File, zonefile.Problems) {
	doc := zonefile.Parse(zonefile.File{Path: path, Text: text})
	var root *zonefile.Table
	if !doc.Mistaken(ownKeys, []string{"zone", "pools", "records"}, "this is a zone file, not a node file",
		"name it without -c, as in `vitalns check FILE`, or among the `zones` of a node file") {
		root = doc.Root(fileKeys)
	}
	f := &File{Path: path, doc: doc, StateDir: defaultStateDir, StartGrace: defaultStartGrace, Listen: []string{defaultDNS},
		Streams: defaultStreams, UDPSize: defaultUDPSize, RRL: defaultRRL(), HTTP: defaultHTTP, Control: SystemSocket, LogLevel: "info", LogFormat: "text"}
	if root.Get("node").Text(&f.Node) && !nodeName(f.Node) {
		root.Get("node").Error("letters, digits, dots, hyphens and underscores, at most 63 of them", "%q is no name for a node", f.Node)
	}
	root.Get("site").Text(&f.Site)
	if v := root.Get("zones"); v.Texts(&f.Zones) {
		f.patterns = v.List()
	}
	root.Get("state_dir").Text(&f.StateDir)
	root.Get("start_grace").Duration(&f.StartGrace, 0, time.Hour)
	f.parseDNS(root.Get("dns").Table("[dns]", dnsKeys))
	f.parseHTTP(root)
	f.parseProbe(root.Get("probe").Table("[probe]", probeKeys))
	if v := root.Get("cluster"); v != nil {
		f.parseCluster(v.Table("[cluster]", clusterKeys))
	}
	if l := root.Get("log").Table("[log]", logKeys); l != nil {
		l.Get("level").Word(&f.LogLevel, "debug", "info", "warn", "error")
		l.Get("format").Word(&f.LogFormat, "text", "json")
	}
	f.Checks = zonefile.ReadTemplates(root.Get("checks"))
	f.finish()
	f.doc = doc
	return f, doc.Problems()
}

func (f *File) parseHTTP(root *zonefile.Table) {
	if t := root.Get("http").Table("[http]", httpKeys); t != nil {
		if v := t.Get("listen"); v.Address(&f.HTTP) && f.HTTP != "" {
			ownAddress(v, "8053")
		}
		if v := t.Get("token_file"); v.Text(&f.TokenFile) {
			f.secrets = append(f.secrets, secret{v, &f.TokenFile, func(path string) error { _, err := loadToken(path); return err }, tokenHint})
		}
	}
	if t := root.Get("control").Table("[control]", controlKeys); t != nil {
		t.Get("socket").Text(&f.Control)
	}
}

func (f *File) parseProbe(t *zonefile.Table) {
	if t == nil {
		return
	}
	for _, v := range t.Get("source").List() {
		var a netip.Addr
		if v.Addr(&a) {
			f.Source = append(f.Source, a)
		}
	}
	if v := t.Get("resolver"); v.Address(&f.Resolver) {
		ipAddress(v, "53")
	}
}

func (f *File) parseCluster(t *zonefile.Table) {
	if t == nil {
		return
	}
	c := &FileCluster{Name: defaultClusterName, Nodes: 1, VoteExpiry: defaultVoteExpiry}
	f.Cluster = c
	if v := t.Get("key_file"); v.Text(&c.KeyFile) {
		f.secrets = append(f.secrets, secret{v, &c.KeyFile, func(path string) error { _, err := gossip.LoadKeys(path); return err }, keyHint})
	}
	if v := t.Get("bind"); v == nil {
		t.Error("write bind = \"ADDRESS:7946\", an address that the other nodes can reach", "`bind` is missing")
	} else if v.Address(&c.Bind) {
		a, ok := ipAddress(v, "7946")
		switch {
		case ok && a.Addr().IsUnspecified():
			v.Error("write the address that the other nodes can reach", "%q: the other nodes are told this address, so it must be one of this host", c.Bind)
		case ok && !a.Addr().IsLoopback() && c.KeyFile == "":
			v.Error("make a key with `vitalns keygen cluster`, the same file on every node, and set key_file",
				"%s is no loopback address: a cluster that others can reach must be encrypted", c.Bind)
		}
	}
	t.Get("join").Addresses(&c.Join)
	for _, item := range t.Get("join").List() {
		hostPort(item, "7946")
	}
	t.Get("nodes").Int(&c.Nodes, 1, 1000)
	if t.Get("nodes") == nil && len(c.Join) > 0 {
		c.Nodes, c.Counted = others(c.Join, c.Bind)+1, true
	}
	if v := t.Get("name"); v.Text(&c.Name) && len(c.Name) > maxClusterName {
		v.Error("", "a name of a cluster has at most %d bytes", maxClusterName)
	}
	t.Get("vote_expiry").Duration(&c.VoteExpiry, 2*time.Second, time.Minute)
	if c.Nodes == 2 {
		t.Warn("run a third node, if only one that checks ([dns] listen = [])", "of two nodes one alone is no majority: a target is down only when both say so")
	}
}

// finish makes relative paths relative to the file.
func (f *File) finish() {
	dir := filepath.Dir(f.Path)
	for i, z := range f.Zones {
		f.Zones[i] = under(dir, z)
	}
	f.StateDir = under(dir, f.StateDir)
	f.Control = under(dir, f.Control)
	f.TokenFile = under(dir, f.TokenFile)
	f.Streams.under(dir)
	if f.Cluster != nil {
		f.Cluster.KeyFile = under(dir, f.Cluster.KeyFile)
	}
}

// readSecrets looks at the files that the node file names, and returns all that is wrong with it. One that
// cannot be read is only unwise: the machine that checks the files may be another than the one that runs.
func (f *File) readSecrets() zonefile.Problems {
	for _, s := range f.secrets {
		err := regular(*s.path) // not all that load a secret would look
		if err == nil {
			err = s.load(*s.path)
		}
		switch perr, why := new(fs.PathError), (unwise{}); {
		case errors.Is(err, errIrregular):
			s.key.Error(s.hint, "%s: %s %v", s.key.Name, *s.path, errIrregular)
		case errors.As(err, &why):
			s.key.Warn(why.hint, "%s", why.text)
		case errors.As(err, &perr):
			s.key.Warn("a node does not start without it", "%s %s: %v", s.key.Name, perr.Path, perr.Err)
		case err != nil:
			s.key.Error(s.hint, "%v", err)
		}
	}
	return f.doc.Problems()
}

func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

const (
	defaultClusterName = "vitalns"
	maxClusterName     = 64 // of gossip: it stands in every packet
)

// nodeName reports whether s can name a node: it stands in logs, labels and User-Agent.
func nodeName(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}

// hostName is the default name of a node.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || !nodeName(name) {
		return "vitalns"
	}
	return name
}
