package zonefile

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wants reports that the value has the wrong type.
func (v *Value) wants(hint, what string) bool {
	v.Error(hint, "%s wants %s, not %s", v.Name, what, v.typeName())
	return false
}

// Text stores a string.
func (v *Value) Text(into *string) bool { return v.textOr(into, "write \"%d\", in quotes") }

// Address is Text for an address with its port: an integer is taken for the port.
func (v *Value) Address(into *string) bool { return v.textOr(into, "write \"ADDRESS:%d\"") }

// textOr stores a string; of an integer it says what to write.
func (v *Value) textOr(into *string, integer string) bool {
	if v == nil {
		return false
	}
	s, ok := v.data.(string)
	if !ok {
		hint := ""
		if n, isInt := v.data.(int64); isInt && integer != "" {
			hint = fmt.Sprintf(integer, n)
		}
		return v.wants(hint, "a string")
	}
	*into = s
	return true
}

// List returns the items of a list; a value that is no list is a list of one.
func (v *Value) List() []*Value {
	switch {
	case v == nil:
		return nil
	case v.kind == listKind:
		return v.items
	}
	return []*Value{v}
}

// Texts stores a string, or a list of strings, as a list.
func (v *Value) Texts(into *[]string) bool { return v.texts(into, (*Value).Text) }

// Addresses is Texts for addresses with their ports.
func (v *Value) Addresses(into *[]string) bool { return v.texts(into, (*Value).Address) }

func (v *Value) texts(into *[]string, get func(*Value, *string) bool) bool {
	if v == nil {
		return false
	}
	if v.kind == tableKind {
		return v.wants("", "a string or a list of strings")
	}
	texts, good := []string{}, true
	for _, item := range v.List() {
		var s string
		good = get(item, &s) && good
		texts = append(texts, s)
	}
	if good {
		*into = texts
	}
	return good
}

// Flag stores true or false.
func (v *Value) Flag(into *bool) bool {
	if v == nil {
		return false
	}
	b, ok := v.data.(bool)
	if !ok {
		hint := ""
		if s, isText := v.data.(string); isText && (s == "true" || s == "false") {
			hint = fmt.Sprintf("write %s = %s, without quotes", v.Name, s)
		}
		return v.wants(hint, "true or false")
	}
	*into = b
	return true
}

// Int stores an integer from least to most.
func (v *Value) Int(into *int, least, most int) bool {
	n := int64(0)
	if !v.integer(&n, int64(least), int64(most)) {
		return false
	}
	*into = int(n)
	return true
}

// integer is Int for what an int of 32 bits does not hold.
func (v *Value) integer(into *int64, least, most int64) bool {
	if v == nil {
		return false
	}
	n, ok := v.data.(int64)
	if !ok {
		hint := ""
		if s, isText := v.data.(string); isText {
			if _, err := strconv.Atoi(s); err == nil {
				hint = fmt.Sprintf("write %s = %s, without quotes", v.Name, s)
			}
		}
		return v.wants(hint, "an integer")
	}
	if n < least || n > most {
		v.Error("", "%s must be from %d to %d, not %d", v.Name, least, most, n)
		return false
	}
	*into = n
	return true
}

// Word stores one of several words.
func (v *Value) Word(into *string, words ...string) bool {
	var s string
	if !v.Text(&s) {
		return false
	}
	if !slices.Contains(words, s) {
		hint := didYouMean(s, words)
		if w := foreignWord(s, words); w != "" {
			hint = fmt.Sprintf("did you mean %q?", w)
		}
		v.Error(hint, "%s %q is unknown", v.Name, s)
		return false
	}
	*into = s
	return true
}

// foreignWords has other programs' words for ours.
var foreignWords = map[string][]string{
	"roundrobin": {"all"}, "rr": {"all"}, "multivalue": {"all"}, "multi": {"all"}, "allhealthy": {"all"}, "multifo": {"all"}, "off": {"failover"},
	"simplefo": {"failover"}, "activepassive": {"failover"}, "priority": {"failover"}, "primary": {"failover"}, "ordered": {"failover"},
	"pickwrandom": {"weighted"}, "weightedrandom": {"weighted"}, "wrr": {"weighted"}, "random": {"weighted"}, "ratio": {"weighted"},
	"consistenthash": {"hash"}, "pickwhashed": {"hash"}, "iphash": {"hash"}, "sticky": {"hash"}, "sourceip": {"hash"},
	"never": {"manual"}, "none": {"manual", "nodata"}, "immediate": {"auto"}, "always": {"auto"}, "obey": {"auto"},
	"empty": {"nodata"}, "failopen": {"serve-all"}, "failclosed": {"nodata"}, "open": {"serve-all"}, "all": {"serve-all"}, "last": {"last-good"},
	"lastknown": {"last-good"}, "noanswer": {"nodata"}, "serve": {"serve-all"},
	"disabled": {"down"}, "offline": {"down"}, "enabled": {"auto"}, "online": {"auto"}, "maintenance": {"drain"}, "draining": {"drain"}, "forceup": {"up"}, "forcedown": {"down"},
	"ping": {"icmp"}, "httpstatus": {"http"}, "tcpconnect": {"tcp"}, "ssl": {"tls"}, "tcptls": {"tls"}, "httptls": {"https"}, "smtp": {"tcp"},
}

func foreignWord(s string, words []string) string {
	for _, w := range foreignWords[squash(s)] {
		if slices.Contains(words, w) {
			return w
		}
	}
	return ""
}

// Duration stores a duration from least to most; most 0 is no limit.
func (v *Value) Duration(into *time.Duration, least, most time.Duration) bool {
	if v == nil {
		return false
	}
	s, ok := v.data.(string)
	if !ok {
		hint := fmt.Sprintf("write %s = \"5s\"", v.Name)
		if n, isInt := v.data.(int64); isInt {
			hint = fmt.Sprintf("write %s = \"%ds\"", v.Name, n)
		}
		return v.wants(hint, "a duration")
	}
	d, why := parseDuration(s)
	if why != "" {
		v.Error(why, "%s %q is not a duration", v.Name, s)
		return false
	}
	if d < least || most > 0 && d > most {
		v.Error("", "%s must be %s, not %s", v.Name, fromTo(least, most), duration(d))
		return false
	}
	*into = d
	return true
}

func fromTo(least, most time.Duration) string {
	if most == 0 {
		return "at least " + duration(least)
	}
	return "from " + duration(least) + " to " + duration(most)
}

// TTL stores whole seconds, from a duration or from an integer.
func (v *Value) TTL(into *uint32) bool { return v.seconds(into, math.MaxInt32) } // RFC 2181 section 8

// seconds is TTL with another limit.
func (v *Value) seconds(into *uint32, most int64) bool {
	if v == nil {
		return false
	}
	n, ok := v.data.(int64)
	if !ok {
		if _, isText := v.data.(string); !isText {
			return v.wants(`write "1h", or 3600`, "a duration or seconds")
		}
		var d time.Duration
		if !v.Duration(&d, 0, 0) {
			return false
		}
		if d%time.Second != 0 {
			v.Error("", "%s must be whole seconds, not %s", v.Name, duration(d))
			return false
		}
		n = int64(d / time.Second)
	}
	if n < 0 || n > most {
		v.Error("", "%s must be from 0 to %d seconds, not %d", v.Name, most, n)
		return false
	}
	*into = uint32(n)
	return true
}

const durationHint = `durations are "500ms", "2s", "5m", "1h30m", "1d", "1w"`

// ParseDuration reads a duration as it stands in files, for those who take one elsewhere.
func ParseDuration(s string) (time.Duration, error) {
	d, why := parseDuration(s)
	if why != "" {
		return 0, errors.New(why)
	}
	return d, nil
}

// parseDuration reads numbers with units. It returns a hint instead where s is none.
func parseDuration(s string) (d time.Duration, hint string) {
	if s == "" {
		return 0, durationHint
	}
	if strings.Trim(s, "0123456789") == "" {
		return 0, fmt.Sprintf("write %q: a duration has a unit", s+"s")
	}
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		number, after := rest[:digits], rest[digits:]
		letters := len(after) - len(strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyz"))
		unit := after[:letters]
		rest = after[letters:]
		scale := time.Duration(1)
		switch unit {
		case "ms", "s", "m", "h":
		case "d":
			unit, scale = "h", 24
		case "w":
			unit, scale = "h", 7*24
		default:
			return 0, durationHint
		}
		one, err := time.ParseDuration(number + unit)
		if err != nil || one > math.MaxInt64/scale || d > math.MaxInt64-one*scale {
			return 0, durationHint
		}
		d += one * scale
	}
	return d, ""
}

// duration writes a duration as a zone file has it.
func duration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if d != 0 {
		fmt.Fprintf(&b, "%dns", d)
	}
	return b.String()
}

// Addr stores an IP address.
func (v *Value) Addr(into *netip.Addr) bool {
	var s string
	if !v.textOr(&s, "") {
		return false
	}
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		hint := ""
		if ap, err := netip.ParseAddrPort(s); err == nil {
			hint = fmt.Sprintf("write %q; the port to probe is the check's `port`", ap.Addr())
		} else if p, err := netip.ParsePrefix(s); err == nil {
			hint = fmt.Sprintf("write %q, without the length of a prefix", p.Addr())
		}
		v.Error(hint, "%q is not an IP address", s)
		return false
	case addr.Zone() != "":
		v.Error(fmt.Sprintf("write %q", addr.WithZone("")), "%q has a zone, which means nothing to others", s)
		return false
	case addr.Is4In6():
		v.Error(fmt.Sprintf("write %q", addr.Unmap()), "%q is an IPv4 address in IPv6 form", s)
		return false
	}
	*into = addr
	return true
}

// Prefix stores a prefix; an address is a prefix of its full length.
func (v *Value) Prefix(into *netip.Prefix) bool {
	var s string
	if !v.Text(&s) {
		return false
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		*into = netip.PrefixFrom(addr, addr.BitLen())
		return true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		v.Error(`write "10.0.0.0/8", or "2001:db8::/32"`, "%q is not a subnet", s)
		return false
	}
	if p != p.Masked() {
		v.Error(fmt.Sprintf("write %q", p.Masked()), "%q has bits set behind its length", s)
		return false
	}
	*into = p
	return true
}

// share stores a number, or a percentage, in words "50%".
func (v *Value) share(n *int, percent *bool) bool {
	if v == nil {
		return false
	}
	s, ok := v.data.(string)
	if !ok {
		return v.Int(n, 1, math.MaxUint16)
	}
	digits, isPercent := strings.CutSuffix(s, "%")
	p, err := strconv.Atoi(digits)
	if err != nil || !isPercent || p < 1 || p > 100 || digits[0] == '+' {
		v.Error(`write 2, or "50%"`, "%s %q is neither a number nor a percentage from 1%% to 100%%", v.Name, s)
		return false
	}
	*n, *percent = p, true
	return true
}
