package checks_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitalns/checks"
)

func genState(t *rapid.T, name string) checks.State {
	return checks.State(rapid.IntRange(0, 2).Draw(t, name))
}

func genObservation(t *rapid.T) checks.Observation {
	return checks.Observation{
		State: genState(t, "state"), Reached: genState(t, "reached"),
		Fails: rapid.Uint16().Draw(t, "fails"), Oks: rapid.Uint16().Draw(t, "oks"), Needs: rapid.Uint16().Draw(t, "needs"),
		Alarm: rapid.Uint32().Draw(t, "alarm"), Reason: checks.Reason(rapid.StringN(0, 20, checks.MaxReason).Draw(t, "reason")),
		Latency: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "latency")) * time.Microsecond,
	}
}

func genNames(t *rapid.T) []string {
	names := rapid.SliceOfN(rapid.StringN(0, 8, 32), 0, 4).Draw(t, "names")
	if len(names) == 0 {
		return nil
	}
	return names
}

func genOverride(t *rapid.T) checks.Override {
	o := checks.Override{Admin: checks.Admin(rapid.IntRange(0, 3).Draw(t, "admin")), Expired: rapid.Bool().Draw(t, "expired"),
		Reason: rapid.StringN(0, 40, checks.MaxOverrideReason).Draw(t, "reason"),
		Owner:  rapid.StringN(0, 20, checks.MaxOverrideOwner).Draw(t, "owner")}
	if clock := rapid.MapOfN(rapid.StringN(1, 5, 20), rapid.Uint64(), 0, 4).Draw(t, "clock"); len(clock) > 0 {
		o.Clock = clock
	}
	return o
}

// roundTrip checks that a value comes back, and that its bytes are the only ones it has.
func roundTrip[T any](t *rapid.T, x T, encode func(T) []byte, decode func([]byte) (T, error)) {
	b := encode(x)
	if len(b) > checks.MaxPayload {
		t.Fatalf("%d bytes", len(b))
	}
	got, err := decode(b)
	if err != nil {
		t.Fatalf("%+v: %v", x, err)
	}
	if !reflect.DeepEqual(got, x) {
		t.Fatalf("got %+v, want %+v", got, x)
	}
	for i := range b {
		if _, err := decode(b[:i]); !errors.Is(err, checks.ErrPayload) {
			t.Fatalf("%d of %d bytes are read: %v", i, len(b), err)
		}
	}
	if _, err := decode(append(b, 0)); !errors.Is(err, checks.ErrPayload) {
		t.Fatalf("a byte too many is read: %v", err)
	}
}

func TestPayloadsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, genObservation(t), checks.EncodeObservation, checks.DecodeObservation)
		roundTrip(t, genOverride(t), checks.EncodeOverride, checks.DecodeOverride)
		roundTrip(t, checks.Choice{Epoch: rapid.Uint64().Draw(t, "epoch"), Rank: rapid.Uint16().Draw(t, "rank"),
			Pool: rapid.StringN(0, 8, 32).Draw(t, "pool"), Names: genNames(t)}, checks.EncodeChoice, checks.DecodeChoice)
		roundTrip(t, checks.LastGood{Epoch: rapid.Uint64().Draw(t, "epoch"), Names: genNames(t)}, checks.EncodeLastGood, checks.DecodeLastGood)
		var content [16]byte
		copy(content[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "content"))
		roundTrip(t, checks.Serial{Number: rapid.Uint32().Draw(t, "number"), Content: content}, checks.EncodeSerial, checks.DecodeSerial)
	})
}

func TestPayloadsCutTexts(t *testing.T) {
	long := strings.Repeat("x", 1000)
	o, err := checks.DecodeObservation(checks.EncodeObservation(checks.Observation{Reason: checks.Reason(long)}))
	if err != nil || len(o.Reason) != checks.MaxReason {
		t.Errorf("reason: %d bytes, %v", len(o.Reason), err)
	}
	v, err := checks.DecodeOverride(checks.EncodeOverride(checks.Override{Reason: long, Owner: long}))
	if err != nil || len(v.Reason) != checks.MaxOverrideReason || len(v.Owner) != checks.MaxOverrideOwner {
		t.Errorf("override: %d and %d bytes, %v", len(v.Reason), len(v.Owner), err)
	}
}

func TestPayloadsRefuse(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":                  nil,
		"another version":        {2, 0, 0, 0, 0, 0, 0, 0},
		"a state there is not":   {1, 3, 0, 0, 0, 0, 0, 0},
		"a length in long form":  {1, 0, 0x80, 0, 0, 0, 0, 0, 0},
		"a reason that is short": {1, 0, 0, 0, 0, 0, 0, 5, 'x'},
		"too many bytes":         make([]byte, checks.MaxPayload+1),
	} {
		if o, err := checks.DecodeObservation(b); !errors.Is(err, checks.ErrPayload) {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
	if c, err := checks.DecodeChoice([]byte{1, 0, 0, 0, 0xff, 0x03}); !errors.Is(err, checks.ErrPayload) {
		t.Errorf("a list longer than its bytes: got %+v, %v", c, err)
	}
}

// canonical checks a decoder on any bytes: what it accepts is what its encoder makes.
func canonical[T any](t *testing.T, b []byte, encode func(T) []byte, decode func([]byte) (T, error)) {
	x, err := decode(b)
	if err != nil {
		if !errors.Is(err, checks.ErrPayload) {
			t.Fatalf("another error: %v", err)
		}
		return
	}
	if got := encode(x); string(got) != string(b) {
		t.Fatalf("%x comes back as %x", b, got)
	}
}

func FuzzDecodeObservation(f *testing.F) {
	f.Add(checks.EncodeObservation(checks.Observation{State: checks.Down, Reason: "refused", Oks: 1, Alarm: 300, Latency: time.Second}))
	f.Add([]byte{1, 0, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeObservation, checks.DecodeObservation) })
}

func FuzzDecodeOverride(f *testing.F) {
	f.Add(checks.EncodeOverride(checks.Override{Admin: checks.Drain, Reason: "kernel", Owner: "ann", Clock: map[string]uint64{"a": 3, "b": 1 << 40}}))
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeOverride, checks.DecodeOverride) })
}

func FuzzDecodeChoice(f *testing.F) {
	f.Add(checks.EncodeChoice(checks.Choice{Epoch: 4, Rank: 1, Pool: "web", Names: []string{"fra", "lon"}}))
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeChoice, checks.DecodeChoice) })
}

func FuzzDecodeLastGood(f *testing.F) {
	f.Add(checks.EncodeLastGood(checks.LastGood{Epoch: 4, Names: []string{"fra"}}))
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeLastGood, checks.DecodeLastGood) })
}

func FuzzDecodeSerial(f *testing.F) {
	f.Add(checks.EncodeSerial(checks.Serial{Number: 1790000000, Content: [16]byte{1, 2, 3}}))
	f.Fuzz(func(t *testing.T, b []byte) { canonical(t, b, checks.EncodeSerial, checks.DecodeSerial) })
}

func genTarget(t *rapid.T) checks.Target {
	target := checks.Target{
		Host:  rapid.OneOf(rapid.SampledFrom([]string{"203.0.113.10", "2001:db8::1", "fe80::1%eth0", "cdn.example.", `a\ b.0/25.example.`}), rapid.StringN(0, 20, 100)).Draw(t, "host"),
		Port:  rapid.Uint16().Draw(t, "port"),
		Probe: checks.Identity{Type: rapid.SampledFrom([]string{"", "http", "https", "tcp", "icmp"}).Draw(t, "type")},
	}
	copy(target.Probe.Sum[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "sum"))
	return target
}

func TestTargetKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTarget(t), genTarget(t)
		got, err := checks.ParseTargetKey(a.Key())
		if err != nil || got != a {
			t.Fatalf("got %+v, %v, want %+v", got, err, a)
		}
		if (a == b) != (a.Key() == b.Key()) {
			t.Fatalf("%+v and %+v have the keys %q and %q", a, b, a.Key(), b.Key())
		}
	})
}

func FuzzParseTargetKey(f *testing.F) {
	f.Add(checks.Target{Host: "203.0.113.10", Port: 80, Probe: checks.Identity{Type: "http"}}.Key())
	f.Add("http 00 +80 x")
	f.Fuzz(func(t *testing.T, s string) {
		if target, err := checks.ParseTargetKey(s); err == nil && target.Key() != s {
			t.Fatalf("%q comes back as %q", s, target.Key())
		}
	})
}

func TestTargetString(t *testing.T) {
	for want, target := range map[string]checks.Target{
		"http 203.0.113.10:80":    {Host: "203.0.113.10", Port: 80, Probe: checks.Identity{Type: "http"}},
		"https [2001:db8::1]:443": {Host: "2001:db8::1", Port: 443, Probe: checks.Identity{Type: "https"}},
		"icmp 192.0.2.1":          {Host: "192.0.2.1", Probe: checks.Identity{Type: "icmp"}},
		"tcp cdn.example.:25":     {Host: "cdn.example.", Port: 25, Probe: checks.Identity{Type: "tcp"}},
	} {
		if got := target.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The hash travels in nobody's message, but nodes of all versions place their slots by it.
func TestTargetHashStaysTheSame(t *testing.T) {
	target := checks.Target{Host: "203.0.113.10", Port: 80, Probe: checks.Identity{Type: "http", Sum: [16]byte{1, 2, 3}}}
	if got, want := target.Hash(), uint64(0x1a38f4f74901d040); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

func TestDigestOfNames(t *testing.T) {
	a := checks.DigestOf([]string{"a", "b", "c"})
	if b := checks.DigestOf([]string{"c", "a", "b", "a"}); a != b {
		t.Errorf("order or repetition counts: %x, %x", a, b)
	}
	if b := checks.DigestOf([]string{"ab", "c"}); a == b {
		t.Error("names run together")
	}
}
