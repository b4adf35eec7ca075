package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/dnsserver"
	"vitalns/dnsserver/edge"
	"vitalns/dnsserver/packed"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

// Paths are the two query paths of vitalns in process, over the zone files that a node serves: whatever the
// node answers has to be what Respond does, octet for octet, and so has what the fast path answers.
//
// What a response depends on besides its query is known here: the node's name, version and cookie secret, the
// address of its client, that every target is up. Two things are not, and are found out from the response: the
// second in which a new cookie was made, which has to be one of the test, and the draw.
type paths struct {
	table  *zones.Table
	of     dnsserver.Query // what all queries have in common
	fast   *packed.Answerer
	out    []byte
	jar    edge.Jar
	began  time.Time
	tries  uint64 // draws that may have been the node's: without pools any does
	counts struct{ held, answered, fast int }
	wrong  map[string]*mismatch // by kind of question
}

// A mismatch is how often a kind of question was not answered alike, and the first of them.
type mismatch struct {
	times int
	first string
}

// draws are enough for every turn of pools of up to four, in any combination.
const draws = 64

// newPaths loads the zone files of a node as the node does, with every target up.
func newPaths(t *testing.T, n node) *paths {
	t.Helper()
	var files []zonefile.File
	for _, path := range n.files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, zonefile.File{Path: path, Text: text})
	}
	sources, problems := zonefile.Load(files, zonefile.Options{Env: new(probe.Env), ReadFile: os.ReadFile, Nodes: 1})
	if problems.Errors() > 0 {
		t.Fatalf("%v", problems)
	}
	set, err := zones.Compile(sources)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	up := map[checks.Target]checks.Verdict{}
	for _, s := range sources {
		for _, w := range s.Watches {
			up[w.Target] = checks.Verdict{State: checks.Up, Need: 1, Count: 1}
		}
	}
	snap := &checks.Snapshot{At: began, Verdicts: checks.NewVerdicts(up, began)}
	p := &paths{
		table: zones.NewTable(set, snap), fast: packed.New(n.name, dnsserver.DefaultUDPSize),
		out: make([]byte, dns.MaxMsgSize), began: began, tries: 1, wrong: map[string]*mismatch{},
	}
	if len(set.Pools()) > 0 {
		p.tries = draws
	}
	p.of = dnsserver.Query{Client: clientOf(t, n.addr), UDPSize: dnsserver.DefaultUDPSize, NSID: n.name, Version: versionOf(t, n)}
	p.of.Explain = func(name zones.Name) string {
		if set.Lookup(name, dns.TypeA).Kind == zones.NotAuthoritative {
			return ""
		}
		return zones.Explain(p.table, snap, zones.Question{Name: name, Type: dns.TypeA}).Line()
	}
	secret, err := hex.DecodeString(sharedSecret)
	if err != nil {
		t.Fatal(err)
	}
	p.jar.Set([16]byte(secret))
	return p
}

// clientOf is the address that a server at addr is asked from.
func clientOf(t *testing.T, addr string) netip.Addr {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// versionOf is what a node says that it is.
func versionOf(t *testing.T, n node) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := n.stage.Command(ctx, "version")
	if err != nil || said.Code != 0 {
		t.Fatalf("version: %v, exit code %d\n%s", err, said.Code, said.Err)
	}
	return strings.TrimSpace(said.Out)
}

// hold asks both paths what the node was asked, and holds its response against theirs; nil is silence.
func (p *paths) hold(q question, response []byte) {
	p.counts.held++
	if response != nil {
		p.counts.answered++
	}
	wire := slices.Clone(q.wire)
	if len(wire) >= 2 {
		copy(wire[:2], response) // the id
	}
	asked, msg := p.of, new(edge.Query)
	asked.Msg, asked.Verdict = msg, edge.Read(wire, msg)
	if q.via != udp {
		const idle = 10 * time.Second
		asked.Via, asked.Keepalive = dnsserver.TCP, idle
	}
	if asked.Verdict == edge.OK {
		p.jar.Look(&asked.Cookie, msg, asked.Client, p.cookieTime(msg, response))
	}
	var first []byte
	for i := range p.tries {
		asked.Draw = (uint64(p.counts.held) + i) % draws
		want, err := p.respond(asked)
		if err != nil {
			p.differ(q, err.Error(), response, want)
			return
		}
		if i == 0 {
			first = want
			p.holdFast(q, asked, want)
		}
		if bytes.Equal(response, want) && (response == nil) == (want == nil) {
			return
		}
	}
	p.differ(q, "the node", response, first)
}

// holdFast holds the fast path against Respond for the same draw, where it answers itself.
func (p *paths) holdFast(q question, asked dnsserver.Query, want []byte) {
	if asked.Verdict != edge.OK {
		return
	}
	n, _, ok := p.fast.Answer(p.table, asked.Msg, &edge.Request{
		Client: asked.Client, Stream: asked.Via != dnsserver.UDP, Keepalive: asked.Keepalive, Draw: asked.Draw, Cookie: asked.Cookie,
	}, p.out)
	if !ok {
		return
	}
	p.counts.fast++
	if !bytes.Equal(p.out[:n], want) {
		p.differ(q, "the fast path", p.out[:n], want)
	}
}

// respond is the response of Respond in wire form; nil where it drops the query.
func (p *paths) respond(q dnsserver.Query) ([]byte, error) {
	m := dnsserver.Respond(p.table, q)
	if m == nil {
		return nil, nil
	}
	return m.Pack()
}

// cookieTime is when the server cookie of a response says that it was made (RFC 9018 §4.3), if that is within
// the test; else now.
func (p *paths) cookieTime(q *edge.Query, response []byte) time.Time {
	const client, kind = 8, 4
	now := time.Now()
	if len(q.Cookie) < client {
		return now
	}
	begin := append(slices.Clone(q.Cookie[:client]), 1, 0, 0, 0)
	at := bytes.LastIndex(response, begin)
	if at < 0 || at+client+kind+4 > len(response) {
		return now
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(response[at+client+kind:])), 0)
	if made.Before(p.began.Truncate(time.Second)) || made.After(now) {
		return now
	}
	return made
}

func (p *paths) differ(q question, who string, got, want []byte) {
	how := q.kind + ": " + who
	m := p.wrong[how]
	if m == nil {
		m = &mismatch{first: fmt.Sprintf("%s over %v: %x\n%s:\n%s%x\nRespond:\n%s%x",
			printQuestion(q.asked()), q.via, q.wire[:min(len(q.wire), 200)], who, read(got), got, read(want), want)}
		p.wrong[how] = m
	}
	m.times++
}

// report prints the figures, and fails with one question for each way to differ. It fails as well where not
// all questions were held, or so few were answered, or by the fast path, that little was compared: most worlds
// have 70 to 90 in a hundred there, a random one full of redirections, which it leaves to Respond, had 58.
func (p *paths) report(t *testing.T, questions int) {
	t.Helper()
	c := p.counts
	t.Logf("both paths, %s: %d questions held, %d of them answered, %d on the fast path", path.Base(t.Name()), c.held, c.answered, c.fast)
	for _, how := range slices.Sorted(maps.Keys(p.wrong)) {
		t.Errorf("%d times: %s\n%s", p.wrong[how].times, how, p.wrong[how].first)
	}
	const answered, fast = 0.95, 0.4
	if c.held < questions || float64(c.answered) < answered*float64(questions) || float64(c.fast) < fast*float64(questions) {
		t.Errorf("of %d questions %d were held, %d of them answered, %d on the fast path", questions, c.held, c.answered, c.fast)
	}
}
