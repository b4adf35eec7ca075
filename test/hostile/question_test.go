package hostile

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vitalns/test/live"
	"vitalns/test/zonetest"
)

// names are names of the zones served, and some that nobody serves.
func names(t *testing.T) []string {
	all := map[string]bool{
		"www.pool.test.": true, "x.wild.pool.test.": true, "cdn.pool.test.": true, "ecs.pool.test.": true, "nx.pool.test.": true,
		"pool.test.": true, "x.moved.hard.test.": true, "nx.hard.test.": true, "www.sub.hard.test.": true, "other.test.": true, ".": true,
		"WwW.PoOl.TeSt.": true, "a.b.c.wild.hard.test.": true, "intocut.hard.test.": true, `\000\255.hard.test.`: true,
	}
	for set := range zonetest.Master(t, zonetest.HardOrigin, zonetest.HardZone).Records.All() {
		all[set.Owner.String()] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// questions are whole queries, and how they are asked; their ids are 0.
func questions(t *testing.T) map[string][]byte {
	out := map[string][]byte{}
	add := func(label string, m *dns.Msg) {
		m.Id = 0
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out[label] = wire
	}
	for _, name := range names(t) {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeNS, dns.TypeTXT, dns.TypeANY, dns.TypeDS} {
			label := name + " " + dns.TypeToString[qtype]
			add(label, new(dns.Msg).SetQuestion(name, qtype))
			add(label+" EDNS", new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, true))
		}
	}
	chaos := new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	add("version.bind", chaos)
	update := new(dns.Msg).SetUpdate("hard.test.")
	add("update", update)
	two := new(dns.Msg).SetQuestion("hard.test.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	add("two questions", two)
	return out
}

// ask asks all questions over UDP and TCP, and returns the responses in wire form.
func ask(t *testing.T, n *live.Node, questions map[string][]byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, network := range []string{"udp", "tcp"} {
		conn, err := net.Dial(network, n.DNS)
		if err != nil {
			t.Fatalf("%v; the node says:\n%s", err, n.Proc.Output())
		}
		c := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
		for i, label := range slices.Sorted(maps.Keys(questions)) {
			query := slices.Clone(questions[label])
			binary.BigEndian.PutUint16(query, uint16(i))
			_ = conn.SetDeadline(time.Now().Add(patience)) // an open connection takes a deadline
			if _, err := c.Write(query); err != nil {
				t.Fatalf("%s over %s: %v", label, network, err)
			}
			buf := make([]byte, dns.MaxMsgSize)
			size, err := c.Read(buf)
			if err != nil || size < 2 {
				t.Fatalf("%s over %s: %d bytes, %v", label, network, size, err)
			}
			if got := binary.BigEndian.Uint16(buf); got != uint16(i) {
				t.Errorf("%s over %s: id %d, want %d", label, network, got, i)
			}
			out[label+" over "+network] = buf[2:size]
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}

// sameAnswers holds two sets of responses against each other, byte for byte.
func sameAnswers(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("%d answers, %d before", len(after), len(before))
	}
	wrong := 0
	for label, want := range before {
		if got := after[label]; string(got) != string(want) {
			if wrong++; wrong <= 5 {
				t.Errorf("%s:\n%s\nbefore:\n%s", label, text(got), text(want))
			}
		}
	}
	t.Logf("%d answers compared byte for byte, %d differ", len(before), wrong)
}

// text prints a response that lacks its id.
func text(wire []byte) string {
	m := new(dns.Msg)
	if err := m.Unpack(append([]byte{0, 0}, wire...)); err != nil {
		return fmt.Sprintf("%x: %v", wire, err)
	}
	return m.String()
}
