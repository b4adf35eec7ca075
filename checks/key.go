package checks

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// errTargetKey is what ParseTargetKey says of what Target.Key did not make.
var errTargetKey = errors.New("not a target key")

// Key returns the target as the key of a register: stable text, the same on every node, that
// ParseTargetKey reads back. It is "TYPE SUM PORT HOST", with the host last as it alone may hold a space.
func (t Target) Key() string {
	b := make([]byte, 0, len(t.Probe.Type)+len(t.Host)+42)
	b = append(b, t.Probe.Type...)
	b = append(b, ' ')
	b = hex.AppendEncode(b, t.Probe.Sum[:])
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(t.Port), 10)
	b = append(b, ' ')
	b = append(b, t.Host...)
	return string(b)
}

// ParseTargetKey reads what Target.Key wrote, and nothing else.
func ParseTargetKey(s string) (Target, error) {
	var t Target
	if len(s) > MaxKey {
		return t, fmt.Errorf("key of %d bytes: %w", len(s), errTargetKey)
	}
	f := strings.SplitN(s, " ", 4)
	if len(f) != 4 || len(f[1]) != 2*len(t.Probe.Sum) {
		return t, fmt.Errorf("key %q: %w", s, errTargetKey)
	}
	port, err := strconv.ParseUint(f[2], 10, 16)
	if err != nil {
		return t, fmt.Errorf("port in key %q: %w", s, errTargetKey)
	}
	if _, err := hex.Decode(t.Probe.Sum[:], []byte(f[1])); err != nil {
		return t, fmt.Errorf("digest in key %q: %w", s, errTargetKey)
	}
	t.Probe.Type, t.Port, t.Host = f[0], uint16(port), f[3]
	if t.Key() != s {
		return Target{}, fmt.Errorf("key %q is not canonical: %w", s, errTargetKey)
	}
	return t, nil
}

// String returns the target for people: "http 203.0.113.10:80", "icmp 192.0.2.1".
func (t Target) String() string {
	if t.Port == 0 {
		return t.Probe.Type + " " + t.Host
	}
	return t.Probe.Type + " " + net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Hash spreads targets evenly and is equal on every node, of every version.
func (t Target) Hash() uint64 {
	h := hasher(offset64)
	h.string(t.Probe.Type)
	h.string(t.Host)
	h.uint64(uint64(t.Port))
	h.bytes(t.Probe.Sum[:])
	return h.sum()
}
