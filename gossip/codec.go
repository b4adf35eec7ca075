package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"vitalns/checks"
)

// A message is a head and a body. The head is the version, the kind, the way it was sent, and the name
// of the sender. Numbers are varints, durations microseconds, digests eight bytes; text and payloads
// have their length in front. Readers of one version skip what follows the fields they know, so fields
// may be added at the end of a body without a new version.
const version = 1

type kind byte

const (
	kindHeartbeat kind = 1
	kindRegisters kind = 2 // registers up to the end
	kindPull      kind = 3
	kindState     kind = 4
	kindLeave     kind = 5 // no body: the sender leaves
	kindNothing   kind = 6 // no body: periodic push/pull, where heartbeats and pulls repair
	kinds              = 7
)

var kindNames = [kinds]string{"", "heartbeat", "registers", "pull", "state", "leave", "nothing"}

// A via is the way a message was sent, as memberlist does not tell.
type via byte

const (
	viaPacket via = 0 // straight from the sender, by datagram
	viaStream via = 1 // straight from the sender, by TCP, as no datagram comes from the receiver
	viaGossip via = 2 // by memberlist's broadcasts; maybe relayed
	viaEcho   via = 3 // straight from the sender, by TCP, for another reason
)

// Limits of what is decoded. What exceeds them is malformed.
const (
	MaxName    = 128      // bytes of a node's name
	maxMessage = 16 << 20 // bytes of a message; memberlist takes 20 MiB
	maxHeard   = 1024     // hearsays in a heartbeat
)

var (
	errVersion = errors.New("unknown version")
	errKind    = errors.New("unknown kind")
	errShort   = errors.New("message is cut short")
	errLimit   = errors.New("message exceeds a limit")
)

// A packet is a decoded message.
type packet struct {
	kind kind
	via  via
	Message
}

func appendHead(b []byte, k kind, v via, from string) []byte {
	b = append(b, version, byte(k), byte(v))
	return appendText(b, from)
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendDuration(b []byte, d time.Duration) []byte {
	return binary.AppendUvarint(b, uint64(max(0, d)/time.Microsecond))
}

// Flags of heartbeats and hearsays, and of registers.
const (
	flagStarting = 1 << 0
	flagAbstains = 1 << 1
	flagGone     = 1 << 0
)

func flags(starting, abstains bool) (f byte) {
	if starting {
		f |= flagStarting
	}
	if abstains {
		f |= flagAbstains
	}
	return f
}

// fits reports whether r is within the limits of a register.
func fits(r checks.Register) bool {
	return len(r.Key) <= checks.MaxKey && len(r.Payload) <= checks.MaxPayload && len(r.Writer) <= MaxName
}

// appendRegister appends r as it is after it has waited: older, and with less time left, though never
// none. A writer that is the sender is left out.
func appendRegister(b []byte, r checks.Register, from string, waited time.Duration) []byte {
	var f byte
	if r.Gone {
		f = flagGone
	}
	b = append(b, byte(r.Kind), f)
	b = appendText(b, r.Key)
	if r.Writer == from {
		b = append(b, 0)
	} else {
		b = appendText(b, r.Writer)
	}
	b = binary.AppendUvarint(b, r.Version.Incarnation)
	b = binary.AppendUvarint(b, r.Version.Seq)
	b = binary.AppendUvarint(b, uint64(len(r.Payload)))
	b = append(b, r.Payload...)
	b = appendDuration(b, r.Age+waited)
	left := r.Left
	if left > 0 {
		left = max(left-waited, time.Microsecond)
	}
	return appendDuration(b, left)
}

// registerSize is at least the encoded size of r.
func registerSize(r checks.Register) int {
	return 2 + 3*2 + 4*binary.MaxVarintLen64 + len(r.Key) + len(r.Writer) + len(r.Payload)
}

func appendPull(b []byte, p checks.Pull) []byte {
	return appendText(appendText(b, p.From), p.Owner)
}

// appendState appends the registers of s that are within their limits and still fit in maxMessage, and
// returns how many it left out. A state of one owner that lacks some must not pass for the whole.
func appendState(b []byte, s State, from string, waited time.Duration) (_ []byte, left int) {
	b = appendText(b, s.Owner)
	b = binary.AppendUvarint(b, s.Incarnation)
	for _, r := range s.Registers {
		if !fits(r) || len(b)+registerSize(r) > maxMessage {
			left++
			continue
		}
		b = appendRegister(b, r, from, waited)
	}
	return b, left
}

// A beatCursor remembers where the last heartbeat stopped, so that what does not fit into one is in the
// next.
type beatCursor struct{ recent, heard int }

// appendHeartbeat appends as much of h as keeps the message within size: everything that has one value,
// then recent registers up to half of the room, then hearsay, in turns.
func (c *beatCursor) appendHeartbeat(b []byte, h checks.Heartbeat, size int) []byte {
	from := h.Node
	b = binary.AppendUvarint(b, h.Incarnation)
	b = binary.BigEndian.AppendUint64(b, h.Instance)
	b = binary.AppendUvarint(b, h.Counter)
	b = append(b, flags(h.Starting, h.Abstains))
	for _, d := range [...]checks.Digest{h.Own, h.All, h.Shared, h.Fresh, h.Zones} {
		b = binary.BigEndian.AppendUint64(b, uint64(d))
	}
	b = binary.AppendVarint(b, int64(h.Wheel/time.Microsecond))

	const counts = 2 * binary.MaxVarintLen16
	limit := (size - len(b) - counts) / 2
	if len(h.Heard) == 0 {
		limit = size - len(b) - counts
	}
	recent := take(h.Recent, c.recent, limit, func(b []byte, r checks.Register) []byte {
		if !fits(r) {
			return b
		}
		return appendRegister(b, r, from, 0)
	})
	c.recent += recent.passed
	b = binary.AppendUvarint(b, uint64(recent.count))
	b = append(b, recent.b...)

	limit = size - len(b) - binary.MaxVarintLen16
	heard := take(h.Heard[:min(len(h.Heard), maxHeard)], c.heard, limit, appendHearsay)
	c.heard += heard.passed
	b = binary.AppendUvarint(b, uint64(heard.count))
	return append(b, heard.b...)
}

func appendHearsay(b []byte, s checks.Hearsay) []byte {
	if len(s.Node) > MaxName {
		return b
	}
	b = appendText(b, s.Node)
	b = binary.AppendUvarint(b, s.Incarnation)
	b = binary.AppendUvarint(b, s.Counter)
	return append(b, flags(s.Starting, s.Abstains))
}

// A cut is the part of a list that one heartbeat has room for.
type cut struct {
	b      []byte
	count  int // of items in b
	passed int // items to go on after
}

// take encodes items from start on, around the end, until one does not fit in limit. One that would not
// fit by itself, or that the encoder leaves out, does not stop the others.
func take[T any](items []T, start, limit int, encode func([]byte, T) []byte) (c cut) {
	for i := range items {
		before := len(c.b)
		c.b = encode(c.b, items[(start+i)%len(items)])
		if len(c.b) > limit {
			c.b = c.b[:before]
			if before > 0 {
				break
			}
		} else if len(c.b) > before {
			c.count++
		}
		c.passed++
	}
	return c
}

// sender returns the kind of a message and who sent it; "" if that cannot be read.
func sender(b []byte) (kind, string) {
	d := decoder{b: b}
	if v := d.byte(); v != version {
		return 0, ""
	}
	k := kind(d.byte())
	d.byte() // the way it came
	return k, d.name()
}

// A decoder reads one message. Names are kept, as the same few come again and again.
type decoder struct {
	names map[string]string
	b     []byte
	err   error
}

const maxNames = 4096 // names a decoder keeps; when there are more it starts anew

// decode reads a message. The result shares nothing with b. Its error is errVersion or errKind for what
// a later version may say, and another for what is malformed.
func (d *decoder) decode(b []byte) (packet, error) {
	d.b, d.err = b, nil
	if len(b) > maxMessage {
		return packet{}, errLimit
	}
	if v := d.byte(); d.err == nil && v != version {
		return packet{}, errVersion
	}
	p := packet{kind: kind(d.byte()), via: via(d.byte())}
	p.From = d.name()
	if d.err != nil {
		return packet{}, d.err
	}
	if p.From == "" {
		return packet{}, errShort
	}
	switch p.kind {
	case kindHeartbeat:
		p.Heartbeat = d.heartbeat(p.From)
	case kindRegisters:
		p.Registers = d.registers(p.From)
	case kindPull:
		p.Pull = &checks.Pull{From: d.name(), Owner: d.name()}
	case kindState:
		p.State = &State{Owner: d.name(), Incarnation: d.uvarint()}
		p.State.Registers = d.registers(p.From)
	case kindLeave, kindNothing:
	default:
		return packet{}, errKind
	}
	d.b = nil
	return p, d.err
}

func (d *decoder) heartbeat(from string) *checks.Heartbeat {
	h := &checks.Heartbeat{Node: from, Incarnation: d.uvarint(), Instance: d.uint64(), Counter: d.uvarint()}
	f := d.byte()
	h.Starting, h.Abstains = f&flagStarting != 0, f&flagAbstains != 0
	for _, to := range [...]*checks.Digest{&h.Own, &h.All, &h.Shared, &h.Fresh, &h.Zones} {
		*to = checks.Digest(d.uint64())
	}
	h.Wheel = d.signed()
	const least = 9 // bytes of the smallest register
	if n := d.count(least); n > 0 {
		h.Recent = make([]checks.Register, 0, n)
		for range n {
			h.Recent = append(h.Recent, d.register(from))
		}
	}
	if n := d.count(4); n > maxHeard {
		d.fail(errLimit)
	} else if n > 0 {
		h.Heard = make([]checks.Hearsay, 0, n)
		for range n {
			s := checks.Hearsay{Node: d.name(), Incarnation: d.uvarint(), Counter: d.uvarint()}
			f := d.byte()
			s.Starting, s.Abstains = f&flagStarting != 0, f&flagAbstains != 0
			h.Heard = append(h.Heard, s)
		}
	}
	return h
}

// registers reads registers up to the end.
func (d *decoder) registers(from string) (rs []checks.Register) {
	for len(d.b) > 0 && d.err == nil {
		rs = append(rs, d.register(from))
	}
	return rs
}

func (d *decoder) register(from string) checks.Register {
	r := checks.Register{Kind: checks.Kind(d.byte())}
	r.Gone = d.byte()&flagGone != 0
	r.Key = string(d.text(checks.MaxKey))
	r.Writer = d.name()
	if r.Writer == "" {
		r.Writer = from
	}
	r.Version = checks.Version{Incarnation: d.uvarint(), Seq: d.uvarint()}
	r.Payload = bytes.Clone(d.text(checks.MaxPayload))
	r.Age, r.Left = d.duration(), d.duration()
	return r
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail(errShort)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uint64() uint64 {
	if len(d.b) < 8 {
		d.fail(errShort)
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many items of at least the given size follow.
func (d *decoder) count(least int) int {
	v := d.uvarint()
	if v > uint64(len(d.b)/least) {
		d.fail(errShort)
		return 0
	}
	return int(v)
}

func (d *decoder) duration() time.Duration {
	v := d.uvarint()
	if v > math.MaxInt64/uint64(time.Microsecond) {
		d.fail(errLimit)
		return 0
	}
	return time.Duration(v) * time.Microsecond
}

func (d *decoder) signed() time.Duration {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	if v > math.MaxInt64/int64(time.Microsecond) || v < math.MinInt64/int64(time.Microsecond) {
		d.fail(errLimit)
		return 0
	}
	return time.Duration(v) * time.Microsecond
}

// text reads bytes that still belong to the message.
func (d *decoder) text(limit int) []byte {
	n := d.uvarint()
	if d.err != nil {
		return nil
	}
	if n > uint64(limit) {
		d.fail(errLimit)
		return nil
	}
	if n > uint64(len(d.b)) {
		d.fail(errShort)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) name() string {
	v := d.text(MaxName)
	if len(v) == 0 {
		return ""
	}
	if s, ok := d.names[string(v)]; ok {
		return s
	}
	if d.names == nil || len(d.names) >= maxNames {
		d.names = make(map[string]string)
	}
	s := string(v)
	d.names[s] = s
	return s
}
