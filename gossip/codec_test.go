package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

func drawName(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-z0-9.-]{1,20}`).Draw(t, label)
}

func drawDuration(t *rapid.T, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, label)) * time.Microsecond
}

func drawRegister(t *rapid.T) checks.Register {
	return checks.Register{
		Kind:    checks.Kind(rapid.Byte().Draw(t, "kind")),
		Gone:    rapid.Bool().Draw(t, "gone"),
		Key:     rapid.StringN(0, 40, 60).Draw(t, "key"),
		Writer:  drawName(t, "writer"),
		Version: checks.Version{Incarnation: rapid.Uint64().Draw(t, "incarnation"), Seq: rapid.Uint64().Draw(t, "seq")},
		Payload: rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "payload"),
		Age:     drawDuration(t, "age"),
		Left:    drawDuration(t, "left"),
	}
}

func drawHeartbeat(t *rapid.T) checks.Heartbeat {
	digest := func(label string) checks.Digest { return checks.Digest(rapid.Uint64().Draw(t, label)) }
	h := checks.Heartbeat{
		Node: drawName(t, "node"), Incarnation: rapid.Uint64().Draw(t, "incarnation"),
		Instance: rapid.Uint64().Draw(t, "instance"), Counter: rapid.Uint64().Draw(t, "counter"),
		Starting: rapid.Bool().Draw(t, "starting"), Abstains: rapid.Bool().Draw(t, "abstains"),
		Own: digest("own"), All: digest("all"), Shared: digest("shared"), Fresh: digest("fresh"), Zones: digest("zones"),
		Wheel: drawDuration(t, "wheel"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "recent") {
		h.Recent = append(h.Recent, drawRegister(t))
	}
	for range rapid.IntRange(0, 3).Draw(t, "heard") {
		h.Heard = append(h.Heard, checks.Hearsay{
			Node: drawName(t, "heard"), Incarnation: rapid.Uint64().Draw(t, "i"), Counter: rapid.Uint64().Draw(t, "c"),
			Starting: rapid.Bool().Draw(t, "s"), Abstains: rapid.Bool().Draw(t, "a"),
		})
	}
	return h
}

// Whatever is sent arrives as it was: each kind of message, with every field set at random.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHeartbeat(t)
		from := h.Node
		pull := checks.Pull{From: drawName(t, "asked"), Owner: drawName(t, "owner")}
		state := State{Owner: drawName(t, "owner"), Incarnation: rapid.Uint64().Draw(t, "i"), Registers: []checks.Register{drawRegister(t), drawRegister(t)}}
		stateBody, left := appendState(appendHead(nil, kindState, viaStream, from), state, from, 0)
		if left != 0 {
			t.Fatalf("left out %d registers", left)
		}
		var c beatCursor
		for _, want := range []struct {
			encoded []byte
			packet
		}{
			{c.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, from), h, 1<<20), packet{kindHeartbeat, viaPacket, Message{From: from, Heartbeat: &h}}},
			{appendPull(appendHead(nil, kindPull, viaPacket, from), pull), packet{kindPull, viaPacket, Message{From: from, Pull: &pull}}},
			{stateBody, packet{kindState, viaStream, Message{From: from, State: &state}}},
			{appendHead(nil, kindLeave, viaPacket, from), packet{kindLeave, viaPacket, Message{From: from}}},
			{
				appendRegister(appendHead(nil, kindRegisters, viaGossip, from), state.Registers[0], from, 0),
				packet{kindRegisters, viaGossip, Message{From: from, Registers: state.Registers[:1]}},
			},
		} {
			var d decoder
			got, err := d.decode(want.encoded)
			if err != nil {
				t.Fatalf("%s: %v", kindNames[want.kind], err)
			}
			if !reflect.DeepEqual(got, want.packet) {
				t.Fatalf("%s: got %+v, want %+v", kindNames[want.kind], got, want.packet)
			}
		}
	})
}

// A register that waits grows older, and its time left shrinks but never becomes none: none means for ever.
func TestWaiting(t *testing.T) {
	r := checks.Register{Writer: "a", Payload: []byte{1}, Age: time.Second, Left: 3 * time.Second}
	for _, tt := range []struct{ waited, age, left time.Duration }{
		{0, time.Second, 3 * time.Second},
		{time.Second, 2 * time.Second, 2 * time.Second},
		{time.Minute, 61 * time.Second, time.Microsecond},
	} {
		var d decoder
		p, err := d.decode(appendRegister(appendHead(nil, kindRegisters, viaPacket, "a"), r, "a", tt.waited))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Registers[0]; got.Age != tt.age || got.Left != tt.left {
			t.Errorf("after %v: age %v, left %v, want %v, %v", tt.waited, got.Age, got.Left, tt.age, tt.left)
		}
	}
	forever, _ := new(decoder).decode(appendRegister(appendHead(nil, kindRegisters, viaPacket, "a"), checks.Register{Writer: "a"}, "a", time.Hour))
	if got := forever.Registers[0].Left; got != 0 {
		t.Errorf("what does not expire has %v left after an hour", got)
	}
}

func TestRefusals(t *testing.T) {
	head := func(k kind) []byte { return appendHead(nil, k, viaPacket, "a") }
	longKey := binary.AppendUvarint(append(head(kindRegisters), 1, 0), checks.MaxKey+1)
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, errShort},
		{"later version", append([]byte{version + 1}, head(kindPull)[1:]...), errVersion},
		{"unknown kind", head(99), errKind},
		{"no sender", appendHead(nil, kindLeave, viaPacket, ""), errShort},
		{"long sender", appendHead(nil, kindLeave, viaPacket, strings.Repeat("x", MaxName+1)), errLimit},
		{"pull cut short", head(kindPull), errShort},
		{"long key", append(longKey, make([]byte, checks.MaxKey+1)...), errLimit},
		{"more hearsay than bytes", append(append(head(kindHeartbeat), make([]byte, 1+8+1+1+40+1+1)...), 0xff, 0x7f), errShort},
		{"too large", make([]byte, maxMessage+1), errLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := new(decoder).decode(tt.b); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A later version of this message may say more at its end.
func TestSkipsWhatFollows(t *testing.T) {
	var c beatCursor
	b := c.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, "a"), checks.Heartbeat{Node: "a", Counter: 7}, 1000)
	p, err := new(decoder).decode(append(b, "more"...))
	if err != nil || p.Heartbeat.Counter != 7 {
		t.Errorf("got %+v, %v", p.Heartbeat, err)
	}
}

// A heartbeat stays within a datagram however much there is to say, and says all of it in turns.
func TestHeartbeatRotates(t *testing.T) {
	const size = 1100
	h := checks.Heartbeat{Node: "node-with-a-long-name-1.example.com", Incarnation: 1790000000000}
	for i := range 200 {
		h.Heard = append(h.Heard, checks.Hearsay{Node: fmt.Sprintf("node-with-a-long-name-%d.example.com", i), Incarnation: 1790000000000, Counter: 100000})
		h.Recent = append(h.Recent, checks.Register{Kind: 1, Key: fmt.Sprintf("http 203.0.113.%d:80", i), Writer: h.Node, Payload: make([]byte, 20)})
	}
	h.Recent = append(h.Recent, checks.Register{Key: "large", Payload: make([]byte, checks.MaxPayload)})
	var c beatCursor
	heard, recent := map[string]bool{}, map[string]bool{}
	for range 40 {
		b := c.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, h.Node), h, size)
		if len(b) > size {
			t.Fatalf("%d bytes, want at most %d", len(b), size)
		}
		p, err := new(decoder).decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Heartbeat.Heard {
			heard[s.Node] = true
		}
		for _, r := range p.Heartbeat.Recent {
			recent[r.Key] = true
		}
	}
	if len(heard) != 200 || len(recent) != 200 {
		t.Errorf("40 heartbeats told of %d of 200 nodes and %d of 200 registers", len(heard), len(recent))
	}
}

// 50 nodes with names of 16 bytes fit in one.
func TestHeartbeatOf50(t *testing.T) {
	m := &Mesh{budget: maxDatagram - labelHead - len("vitalns") - cryptHead - checksumHead - typeHead}
	h := checks.Heartbeat{Node: "ns01.example.com", Incarnation: 1790000000000}
	for i := range 49 {
		h.Heard = append(h.Heard, checks.Hearsay{Node: fmt.Sprintf("n%02d.example.com.", i), Incarnation: 1790000000000, Counter: 86400})
	}
	b := m.cursor.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, h.Node), h, m.budget)
	p, err := new(decoder).decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.Heartbeat.Heard); got < 35 {
		t.Errorf("one heartbeat tells of %d of 49 nodes, want at least 35", got)
	}
	h.Heard = h.Heard[:0]
	for i := range 49 {
		h.Heard = append(h.Heard, checks.Hearsay{Node: fmt.Sprintf("ns%02d", i), Incarnation: 1790000000000, Counter: 86400})
	}
	b = m.cursor.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, h.Node), h, m.budget)
	if p, _ := new(decoder).decode(b); len(p.Heartbeat.Heard) != 49 {
		t.Errorf("one heartbeat tells of %d of 49 nodes with short names", len(p.Heartbeat.Heard))
	}
}

// Whatever arrives neither panics nor grows beyond its bytes, and what is understood says the same when
// it is sent on.
func FuzzDecode(f *testing.F) {
	var c beatCursor
	r := checks.Register{Kind: 1, Key: "k", Writer: "b", Payload: []byte("p"), Age: time.Second, Left: time.Second}
	h := checks.Heartbeat{Node: "a", Counter: 3, Recent: []checks.Register{r}, Heard: []checks.Hearsay{{Node: "b", Counter: 9}}}
	f.Add(c.appendHeartbeat(appendHead(nil, kindHeartbeat, viaPacket, "a"), h, 1000))
	f.Add(appendRegister(appendHead(nil, kindRegisters, viaGossip, "a"), r, "a", 0))
	f.Add(appendPull(appendHead(nil, kindPull, viaPacket, "a"), checks.Pull{From: "b"}))
	state, _ := appendState(appendHead(nil, kindState, viaStream, "a"), State{Owner: "b", Registers: []checks.Register{r, r}}, "a", 0)
	f.Add(state)
	f.Add(Meta{HTTP: "127.0.0.1:8053", DNS: []string{"192.0.2.53:53"}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = decodeMeta(b)
		d := new(decoder)
		p, err := d.decode(b)
		if err != nil {
			return
		}
		again := appendHead(nil, p.kind, p.via, p.From)
		switch p.kind {
		case kindHeartbeat:
			again = new(beatCursor).appendHeartbeat(again, *p.Heartbeat, 1<<26)
		case kindPull:
			again = appendPull(again, *p.Pull)
		case kindState:
			again, _ = appendState(again, *p.State, p.From, 0)
		case kindRegisters:
			for _, r := range p.Registers {
				again = appendRegister(again, r, p.From, 0)
			}
		}
		q, err := d.decode(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("got %+v, want %+v", q, p)
		}
	})
}

func TestMeta(t *testing.T) {
	want := Meta{HTTP: "127.0.0.1:8053", DNS: []string{"192.0.2.53:53", "[2001:db8::53]:53"}, Site: "lon", Version: "0.1"}
	if got := decodeMeta(want.encode()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	long := Meta{Site: strings.Repeat("x", 1000)}
	for range 100 {
		long.DNS = append(long.DNS, "[2001:db8:1234:5678:9abc:def0:1234:5678]:53")
	}
	b := long.encode()
	if got := decodeMeta(b); len(b) > 512 || len(got.DNS) < 5 || len(got.Site) != maxMetaText {
		t.Errorf("%d bytes: %+v", len(b), got)
	}
	if got := decodeMeta([]byte{metaVersion, 200}); !reflect.DeepEqual(got, Meta{}) {
		t.Errorf("malformed: got %+v", got)
	}
}

func TestKeys(t *testing.T) {
	one, two := GenerateKey(), GenerateKey()
	if one == two {
		t.Fatal("two new keys are equal")
	}
	keys, err := parseKeys([]byte("# primary\n" + one + "\n\n  " + two + " # old\n"))
	if err != nil || len(keys) != 2 || len(keys[0]) != 32 || bytes.Equal(keys[0], keys[1]) {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "# nothing\n", "no key in it"},
		{"not base64", one + "\nsecret!\n", "line 2: not base64"},
		{"wrong size", "AAAA\n", "line 1: a key is 16, 24 or 32 bytes, this one is 3"},
		{"twice", one + "\n" + one + "\n", "line 2: this key stands there already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseKeys([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the error repeats the key")
			}
		})
	}
	if _, err := LoadKeys(t.TempDir() + "/none"); err == nil {
		t.Error("a missing file is no error")
	}
}
