package checks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrPayload is wrapped by every error of a decoder: the payload is malformed, not canonical, or of a
// version this one does not know.
var ErrPayload = errors.New("malformed payload")

// payloadVersion is the first byte of every payload.
const payloadVersion = 1

// Limits of what payloads hold.
const (
	maxText  = 255 // bytes of a name in a payload
	maxNames = 512 // names of a group
)

// A reader takes a payload apart. After the first thing missing, bad is set and everything reads as zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text(most int) string {
	n := int(r.uint(uint64(most)))
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) names() []string {
	n := int(r.uint(maxNames))
	if n == 0 || n > len(r.b) {
		r.bad = r.bad || n > 0
		return nil
	}
	names := make([]string, n)
	for i := range names {
		names[i] = r.text(maxText)
	}
	return names
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendNames(b []byte, names []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, n := range names {
		b = appendText(b, n)
	}
	return b
}

// decode runs one decoder over a payload. Only what the encoder makes of the result is accepted, so
// that equal values have equal bytes and bytes can break ties.
func decode[T any](kind string, b []byte, read func(*reader) T, encode func(T) []byte) (T, error) {
	var zero T
	if len(b) > MaxPayload {
		return zero, fmt.Errorf("%s of %d bytes: %w", kind, len(b), ErrPayload)
	}
	r := &reader{b: b}
	if v := r.byte(); v != payloadVersion {
		return zero, fmt.Errorf("%s of version %d: %w", kind, v, ErrPayload)
	}
	x := read(r)
	if r.bad || len(r.b) > 0 || !bytes.Equal(encode(x), b) {
		return zero, fmt.Errorf("%s: %w", kind, ErrPayload)
	}
	return x, nil
}

// cut returns at most n bytes of s.
func cut(s string, n int) string { return s[:min(n, len(s))] }

// EncodeObservation returns the payload of an observation. A longer reason is cut.
func EncodeObservation(o Observation) []byte {
	b := make([]byte, 0, 16+len(o.Reason))
	b = append(b, payloadVersion, byte(o.State&3)|byte(o.Reached&3)<<2)
	b = binary.AppendUvarint(b, uint64(o.Fails))
	b = binary.AppendUvarint(b, uint64(o.Oks))
	b = binary.AppendUvarint(b, uint64(o.Needs))
	b = binary.AppendUvarint(b, uint64(o.Alarm))
	b = binary.AppendUvarint(b, uint64(max(o.Latency, 0)/time.Microsecond))
	return appendText(b, cut(string(o.Reason), MaxReason))
}

// DecodeObservation reads what EncodeObservation wrote; latency comes back in whole microseconds.
func DecodeObservation(b []byte) (Observation, error) {
	return decode("observation", b, func(r *reader) (o Observation) {
		states := r.byte()
		o.State, o.Reached = State(states&3), State(states>>2)
		if o.State > Down || o.Reached > Down {
			r.bad = true
		}
		o.Fails = uint16(r.uint(math.MaxUint16))
		o.Oks = uint16(r.uint(math.MaxUint16))
		o.Needs = uint16(r.uint(math.MaxUint16))
		o.Alarm = uint32(r.uint(math.MaxUint32))
		o.Latency = time.Duration(r.uint(math.MaxInt64/uint64(time.Microsecond))) * time.Microsecond
		o.Reason = Reason(r.text(MaxReason))
		return o
	}, EncodeObservation)
}

// EncodeChoice returns the payload of a choice.
func EncodeChoice(c Choice) []byte {
	b := binary.AppendUvarint([]byte{payloadVersion}, c.Epoch)
	b = binary.AppendUvarint(b, uint64(c.Rank))
	b = appendText(b, c.Pool)
	return appendNames(b, c.Names)
}

// DecodeChoice reads what EncodeChoice wrote.
func DecodeChoice(b []byte) (Choice, error) {
	return decode("choice", b, func(r *reader) Choice {
		return Choice{Epoch: r.uint(math.MaxUint64), Rank: uint16(r.uint(math.MaxUint16)),
			Pool: r.text(maxText), Names: r.names()}
	}, EncodeChoice)
}

// EncodeLastGood returns the payload of a set last served.
func EncodeLastGood(l LastGood) []byte {
	return appendNames(binary.AppendUvarint([]byte{payloadVersion}, l.Epoch), l.Names)
}

// DecodeLastGood reads what EncodeLastGood wrote.
func DecodeLastGood(b []byte) (LastGood, error) {
	return decode("last-good", b, func(r *reader) LastGood {
		return LastGood{Epoch: r.uint(math.MaxUint64), Names: r.names()}
	}, EncodeLastGood)
}

// EncodeSerial returns the payload of a serial.
func EncodeSerial(s Serial) []byte {
	b := binary.BigEndian.AppendUint32([]byte{payloadVersion}, s.Number)
	return append(b, s.Content[:]...)
}

// DecodeSerial reads what EncodeSerial wrote.
func DecodeSerial(b []byte) (Serial, error) {
	return decode("serial", b, func(r *reader) (s Serial) {
		for range 4 {
			s.Number = s.Number<<8 | uint32(r.byte())
		}
		for i := range s.Content {
			s.Content[i] = r.byte()
		}
		return s
	}, EncodeSerial)
}
