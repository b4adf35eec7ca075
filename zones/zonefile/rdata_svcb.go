package zonefile

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A svcParam is one parameter of an SVCB (RFC 9460 §2.1, §14.3): its value from the text behind "=", with
// escapes undone, and back; show returns "" where there is no text.
type svcParam struct {
	parse func(text string) ([]byte, bool)
	show  func(value []byte) (text string, ok bool)
}

var svcKeys = map[string]uint16{
	"mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5, "ipv6hint": 6, "dohpath": 7, "ohttp": 8,
}

// svcNames are the names shown; the others are shown as keyNNN, which every reader knows.
var svcNames = []string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"}

var svcParams = []svcParam{
	{parseKeyList, showKeyList},
	{parseALPN, showALPN},
	{parseNothing, showNothing},
	{parsePort, showPort},
	{parseHints(4), showHints(4)},
	{parseECH, showECH},
	{parseHints(16), showHints(16)},
	{parseOpaque, showOpaque},
	{parseNothing, showNothing},
}

var opaqueParam = svcParam{parseOpaque, showOpaque}

func paramOf(key uint16) svcParam {
	if int(key) < len(svcParams) {
		return svcParams[key]
	}
	return opaqueParam
}

func parseSvcKey(s string) (uint16, bool) {
	if key, ok := svcKeys[s]; ok {
		return key, true
	}
	digits, ok := strings.CutPrefix(s, "key")
	key, err := strconv.ParseUint(digits, 10, 16)
	return uint16(key), ok && err == nil && key != 65535 && (digits[0] != '0' || digits == "0")
}

func formatSvcKey(key uint16) string {
	if int(key) < len(svcNames) {
		return svcNames[key]
	}
	return "key" + strconv.Itoa(int(key))
}

func readParams(r *rdataReader) error {
	values := map[uint16][]byte{}
	for r.next < len(r.toks) {
		text, err := r.word("a parameter")
		if err != nil {
			return err
		}
		name, value, equals := strings.Cut(text, "=")
		if equals && value == "" && r.next < len(r.toks) {
			before, t := r.toks[r.next-1], r.toks[r.next]
			if t.quoted && t.off == before.off+before.len() {
				value = t.text
				r.next++
			}
		}
		key, ok := parseSvcKey(name)
		if !ok {
			return r.wrong("%q is not a parameter of a service", name)
		}
		if _, twice := values[key]; twice {
			return r.wrong("parameter %s twice", name)
		}
		at := len(r.out)
		if err := r.appendUnescaped(value); err != nil {
			return err
		}
		wire, ok := paramOf(key).parse(string(r.out[at:]))
		r.out = r.out[:at]
		if !ok || len(wire) > maxRdata {
			return r.wrong("%s is not a value of %s", quote(value), name)
		}
		values[key] = wire
	}
	keys := slices.Sorted(maps.Keys(values))
	if key, ok := missingKey(values[0], keys); !ok {
		return r.wrong("mandatory names %s, which is not there", formatSvcKey(key))
	}
	for _, key := range keys {
		r.out = appendUint(appendUint(r.out, 2, uint64(key)), 2, uint64(len(values[key])))
		r.out = append(r.out, values[key]...)
	}
	return nil
}

// missingKey returns a key that the value of mandatory names and that is not among keys, in order, if ok is false
// (RFC 9460 §8).
func missingKey(mandatory []byte, keys []uint16) (key uint16, ok bool) {
	for ; len(mandatory) >= 2; mandatory = mandatory[2:] {
		key = binary.BigEndian.Uint16(mandatory)
		if _, there := slices.BinarySearch(keys, key); !there || key == 0 {
			return key, false
		}
	}
	return 0, true
}

func showParams(w *rdataWriter) bool {
	last := -1
	var mandatory []byte
	var keys []uint16
	for w.at < len(w.wire) {
		head := w.take(4)
		if head == nil {
			return false
		}
		key := binary.BigEndian.Uint16(head)
		value := w.take(int(binary.BigEndian.Uint16(head[2:])))
		if value == nil || int(key) <= last || key == 65535 {
			return false
		}
		last, keys = int(key), append(keys, key)
		if key == 0 {
			mandatory = value
		}
		text, ok := paramOf(key).show(value)
		if !ok {
			return false
		}
		w.word(formatSvcKey(key))
		if text != "" {
			w.out = append(w.out, '=')
			w.out = append(w.out, text...)
		}
	}
	_, ok := missingKey(mandatory, keys)
	return ok
}

func parseNothing(text string) ([]byte, bool) { return nil, text == "" }
func showNothing(value []byte) (string, bool) { return "", len(value) == 0 }
func parseOpaque(text string) ([]byte, bool)  { return []byte(text), true }
func parseECH(text string) (b []byte, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil && len(b) > 0
}
func showECH(value []byte) (text string, ok bool) {
	return base64.StdEncoding.EncodeToString(value), len(value) > 0
}

func showOpaque(value []byte) (string, bool) {
	if len(value) == 0 {
		return "", true
	}
	return string(appendQuoted(nil, value)), true
}

func parsePort(text string) ([]byte, bool) {
	v, err := strconv.ParseUint(text, 10, 16)
	return appendUint(nil, 2, v), err == nil
}

func showPort(value []byte) (string, bool) {
	return strconv.FormatUint(bigEndian(value), 10), len(value) == 2
}

func parseKeyList(text string) ([]byte, bool) {
	var keys []uint16
	for name := range strings.SplitSeq(text, ",") {
		key, ok := parseSvcKey(name)
		if !ok || slices.Contains(keys, key) {
			return nil, false
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var out []byte
	for _, key := range keys {
		out = appendUint(out, 2, uint64(key))
	}
	return out, true
}

func showKeyList(value []byte) (string, bool) {
	var names []string
	last := -1
	for ; len(value) >= 2; value = value[2:] {
		key := binary.BigEndian.Uint16(value)
		if int(key) <= last {
			return "", false
		}
		last = int(key)
		names = append(names, formatSvcKey(key))
	}
	return strings.Join(names, ","), len(value) == 0 && len(names) > 0
}

// parseALPN reads a list of protocols with commas between them; in one, a comma or \ has a \ before it
// (RFC 9460 appendix A.1).
func parseALPN(text string) ([]byte, bool) {
	var out, id []byte
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ',' {
			if len(id) == 0 || len(id) > maxString {
				return nil, false
			}
			out = append(append(out, byte(len(id))), id...)
			id = id[:0]
			continue
		}
		if text[i] == '\\' {
			if i++; i == len(text) {
				return nil, false
			}
		}
		id = append(id, text[i])
	}
	return out, true
}

func showALPN(value []byte) (string, bool) {
	var list []byte
	for i := 0; i < len(value); i += 1 + int(value[i]) {
		n := int(value[i])
		if n == 0 || i+1+n > len(value) {
			return "", false
		}
		if i > 0 {
			list = append(list, ',')
		}
		for _, c := range value[i+1 : i+1+n] {
			if c == ',' || c == '\\' {
				list = append(list, '\\')
			}
			list = append(list, c)
		}
	}
	return string(appendQuoted(nil, list)), len(list) > 0
}

func parseHints(size int) func(text string) ([]byte, bool) {
	return func(text string) ([]byte, bool) {
		var out []byte
		for s := range strings.SplitSeq(text, ",") {
			addr, err := netip.ParseAddr(s)
			if err != nil || addr.Zone() != "" || addr.BitLen() != size*8 {
				return nil, false
			}
			out = append(out, addr.AsSlice()...)
		}
		return out, true
	}
}

func showHints(size int) func(value []byte) (string, bool) {
	return func(value []byte) (string, bool) {
		var hints []string
		for ; len(value) >= size; value = value[size:] {
			addr, _ := netip.AddrFromSlice(value[:size])
			hints = append(hints, addr.String())
		}
		return strings.Join(hints, ","), len(value) == 0 && len(hints) > 0
	}
}
