package zonefile

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// A field is one kind of rdata field, read from its presentation form and shown in it.
type field struct {
	read func(r *rdataReader) error // appends to r.out
	show func(w *rdataWriter) bool  // false: the wire is not such a field
}

// fields are the kinds of fields, by their code in a layout.
var fields = [128]field{
	// numbers
	'1': {readUint(1), showUint(1)},
	'2': {readUint(2), showUint(2)},
	'4': {readUint(4), showUint(4)},
	'8': {readUint(8), showUint(8)},
	't': {readSeconds, showUint(4)}, // with or without units
	'A': {readMnemonic(1, algorithms, "an algorithm"), showUint(1)},
	'C': {readMnemonic(2, certTypes, "a certificate type"), showUint(2)},
	'P': {readMnemonic(1, keyProtocols, "a protocol"), showUint(1)},
	'Q': {readMnemonic(1, dsyncSchemes, "a scheme"), showUint(1)},
	'Y': {readMnemonic(1, digestTypes, "a digest type"), showUint(1)},
	'f': {readKeyFlags, showUint(2)},
	'T': {readType, showType},
	'D': {readTime, showTime},
	// addresses and names
	'a': {readAddr(4), showAddr(4)},
	'q': {readAddr(16), showAddr(16)},
	'n': {readName, showName},
	'N': {readNames, showNames}, // to the end, none or more
	'G': {readGateway, showGateway},
	'j': {readRelay, showRelay},
	// text
	's': {readString, showString},
	'o': {readOptional, showStrings}, // one, or none at the end
	'S': {readStrings, showSomeStrings},
	'g': {readTag, showTag},
	'l': {readLong, showLong}, // the rest of the rdata
	'd': {readDOA, showDOA},
	// octets
	'x': {readHex, showHex},       // to the end, at least one
	'b': {readBase64, showBase64}, // to the end, at least one
	'B': {readAnyBase64, showAnyBase64},
	'h': {readSalt, showSalt},
	'H': {readHash, showHash},
	'E': {readEUI(6), showEUI(6)},
	'e': {readEUI(8), showEUI(8)},
	'I': {readLocator, showLocator},
	// bitmaps
	'm': {readBitmap, showBitmap},
	'w': {readNXTBitmap, showNXTBitmap},
	// whole types
	'K': {readParams, showParams},
	'L': {readLOC, showLOC},
	'M': {readATMA, showATMA},
	'U': {readA6, showA6},
	'V': {readNSAP, showNSAP},
	'W': {readWKS, showWKS},
	'i': {readHIP, showHIP},
	'y': {readAPL, showAPL},
}

func appendUint(out []byte, size int, v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return append(out, b[8-size:]...)
}

func bigEndian(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// number returns the next token as a decimal number of at most so many octets.
func (r *rdataReader) number(size int) (uint64, error) {
	text, err := r.word("a number")
	if err != nil {
		return 0, err
	}
	v, perr := strconv.ParseUint(text, 10, size*8)
	if perr != nil || text[0] == '+' {
		return 0, r.wrong("%q is not a number from 0 to %d", text, uint64(1)<<(size*8)-1)
	}
	return v, nil
}

func readUint(size int) func(r *rdataReader) error {
	return func(r *rdataReader) error {
		v, err := r.number(size)
		r.out = appendUint(r.out, size, v)
		return err
	}
}

func showUint(size int) func(w *rdataWriter) bool {
	return func(w *rdataWriter) bool {
		b := w.take(size)
		if b == nil {
			return false
		}
		w.blank()
		w.out = strconv.AppendUint(w.out, bigEndian(b), 10)
		return true
	}
}

func readSeconds(r *rdataReader) error {
	text, err := r.word("a time in seconds")
	if err != nil {
		return err
	}
	v, ok := parseSeconds(text)
	if !ok {
		return r.wrong("%q is not a time: seconds, or numbers with w, d, h, m, s", text)
	}
	r.out = appendUint(r.out, 4, uint64(v))
	return nil
}

// parseSeconds reads a TTL or SOA timer of a master file: seconds, or numbers each with a unit (1h30m).
func parseSeconds(s string) (uint32, bool) {
	var sum, n uint64
	digits, units := false, false
	for i := range len(s) {
		c := s[i]
		if '0' <= c && c <= '9' {
			n = n*10 + uint64(c-'0')
			digits = true
		} else {
			if !digits {
				return 0, false
			}
			switch c | 0x20 {
			case 'w':
				n *= 7 * 86400
			case 'd':
				n *= 86400
			case 'h':
				n *= 3600
			case 'm':
				n *= 60
			case 's':
			default:
				return 0, false
			}
			sum, n, digits, units = sum+n, 0, false, true
		}
		if n > 1<<32-1 || sum > 1<<32-1 {
			return 0, false
		}
	}
	if digits && units || s == "" {
		return 0, false // "1h30"
	}
	sum += n
	return uint32(sum), sum <= 1<<32-1
}

func readType(r *rdataReader) error {
	text, err := r.word("a type")
	if err != nil {
		return err
	}
	typ, ok := parseAnyType(text)
	if !ok {
		return r.wrong("%q is not a type", text)
	}
	r.out = appendUint(r.out, 2, uint64(typ))
	return nil
}

func showType(w *rdataWriter) bool {
	b := w.take(2)
	if b == nil {
		return false
	}
	w.word(FormatType(binary.BigEndian.Uint16(b)))
	return true
}

func readAddr(size int) func(r *rdataReader) error {
	return func(r *rdataReader) error {
		text, err := r.word("an address")
		if err != nil {
			return err
		}
		return r.addr(text, size)
	}
}

// addr appends an address of so many octets.
func (r *rdataReader) addr(text string, size int) error {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.BitLen() != size*8 {
		family := "IPv4"
		if size == 16 {
			family = "IPv6"
		}
		return r.wrong("%q is not an %s address", text, family)
	}
	r.out = append(r.out, addr.AsSlice()...)
	return nil
}

func showAddr(size int) func(w *rdataWriter) bool {
	return func(w *rdataWriter) bool {
		addr, ok := netip.AddrFromSlice(w.take(size))
		if !ok {
			return false
		}
		w.blank()
		w.out = addr.AppendTo(w.out)
		return true
	}
}

func readName(r *rdataReader) error {
	text, err := r.word("a name")
	if err != nil {
		return err
	}
	r.out, err = r.names.appendName(r.out, text)
	return err
}

func showName(w *rdataWriter) bool {
	from := w.at
	name := w.take(wireName(w.wire[w.at:]))
	if len(name) == 0 {
		return false
	}
	if w.names != nil {
		w.names(from, w.at)
	}
	if w.origin != "" {
		w.word(relativeText(string(name), w.origin))
		return true
	}
	w.blank()
	w.out = appendNameText(w.out, string(name))
	return true
}

func readNames(r *rdataReader) error {
	for r.next < len(r.toks) {
		if err := readName(r); err != nil {
			return err
		}
	}
	return nil
}

func showNames(w *rdataWriter) bool {
	for w.at < len(w.wire) {
		if !showName(w) {
			return false
		}
	}
	return true
}

// hexWord appends the octets of the next token.
func (r *rdataReader) hexWord() error {
	text, err := r.word("hexadecimal digits")
	if err != nil {
		return err
	}
	out, herr := hex.AppendDecode(r.out, []byte(text))
	if herr != nil {
		return r.wrong("%s are not pairs of hexadecimal digits", quote(text))
	}
	r.out = out
	return nil
}

// rest joins the remaining tokens.
func (r *rdataReader) rest(what string) (string, error) {
	text, err := r.word(what)
	if err != nil || r.next == len(r.toks) {
		return text, err
	}
	var all strings.Builder
	all.WriteString(text)
	for r.next < len(r.toks) {
		if text, err = r.word(what); err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

func readHex(r *rdataReader) error {
	text, err := r.rest("hexadecimal digits")
	if err != nil {
		return err
	}
	out, herr := hex.AppendDecode(r.out, []byte(text))
	if herr != nil {
		return r.wrong("%s are not pairs of hexadecimal digits", quote(text))
	}
	r.out = out
	return nil
}

func showHex(w *rdataWriter) bool {
	b := w.take(len(w.wire) - w.at)
	w.word(hex.EncodeToString(b))
	return len(b) > 0
}

func readBase64(r *rdataReader) error {
	text, err := r.rest("base64 data")
	if err != nil {
		return err
	}
	out, berr := base64.StdEncoding.AppendDecode(r.out, []byte(text))
	if berr != nil || len(text) == 0 {
		return r.wrong("%s is not base64", quote(text))
	}
	r.out = out
	return nil
}

func showBase64(w *rdataWriter) bool {
	return w.at < len(w.wire) && showAnyBase64(w)
}

func readAnyBase64(r *rdataReader) error {
	if r.next == len(r.toks) {
		return nil
	}
	return readBase64(r)
}

func showAnyBase64(w *rdataWriter) bool {
	if b := w.take(len(w.wire) - w.at); len(b) > 0 {
		w.word(base64.StdEncoding.EncodeToString(b))
	}
	return true
}
