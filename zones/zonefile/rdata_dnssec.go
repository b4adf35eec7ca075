package zonefile

import (
	"encoding/base32"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Mnemonics that master files may have in place of numbers (RFC 4034 appendix A, RFC 4398 §2.1,
// RFC 2535 §3.1, RFC 9859). Shown are the numbers.
var (
	algorithms = map[string]uint16{
		"DELETE": 0, "RSAMD5": 1, "DH": 2, "DSA": 3, "ECC": 4, "RSASHA1": 5, "NSEC3DSA": 6, "DSA-NSEC3-SHA1": 6,
		"NSEC3RSASHA1": 7, "RSASHA1-NSEC3-SHA1": 7, "RSASHA256": 8, "RSASHA512": 10, "ECCGOST": 12, "ECC-GOST": 12,
		"ECDSAP256SHA256": 13, "ECDSA256": 13, "ECDSAP384SHA384": 14, "ECDSA384": 14, "ED25519": 15, "ED448": 16,
		"SM2SM3": 17, "ECC-GOST12": 23, "INDIRECT": 252, "PRIVATEDNS": 253, "PRIVATEOID": 254,
	}
	digestTypes  = map[string]uint16{"SHA1": 1, "SHA-1": 1, "SHA256": 2, "SHA-256": 2, "GOST": 3, "SHA384": 4, "SHA-384": 4}
	certTypes    = map[string]uint16{"PKIX": 1, "SPKI": 2, "PGP": 3, "IPKIX": 4, "ISPKI": 5, "IPGP": 6, "ACPKIX": 7, "IACPKIX": 8, "URI": 253, "OID": 254}
	keyProtocols = map[string]uint16{"NONE": 0, "TLS": 1, "EMAIL": 2, "DNSSEC": 3, "IPSEC": 4, "ALL": 255}
	dsyncSchemes = map[string]uint16{"NOTIFY": 1}
	keyFlags     = map[string]uint16{
		"NOCONF": 0x4000, "NOAUTH": 0x8000, "NOKEY": 0xc000, "FLAG2": 0x2000, "EXTEND": 0x1000, "FLAG4": 0x0800, "FLAG5": 0x0400,
		"USER": 0, "ZONE": 0x0100, "HOST": 0x0200, "NTYP3": 0x0300, "FLAG8": 0x0080, "FLAG9": 0x0040, "FLAG10": 0x0020, "FLAG11": 0x0010,
		"SIG0": 0, "SIG1": 1, "SIG2": 2, "SIG3": 3, "SIG4": 4, "SIG5": 5, "SIG6": 6, "SIG7": 7, "SIG8": 8, "SIG9": 9,
		"SIG10": 10, "SIG11": 11, "SIG12": 12, "SIG13": 13, "SIG14": 14, "SIG15": 15,
	}
)

func readMnemonic(size int, numbers map[string]uint16, what string) func(r *rdataReader) error {
	return func(r *rdataReader) error {
		text, err := r.word(what)
		if err != nil {
			return err
		}
		v, perr := strconv.ParseUint(text, 10, size*8)
		if n, ok := numbers[strings.ToUpper(text)]; ok {
			v, perr = uint64(n), nil
		}
		if perr != nil {
			return r.wrong("%q is not %s", text, what)
		}
		r.out = appendUint(r.out, size, v)
		return nil
	}
}

// readKeyFlags reads the flags of a KEY: a number, or mnemonics with | between them.
func readKeyFlags(r *rdataReader) error {
	text, err := r.word("flags")
	if err != nil {
		return err
	}
	flags, perr := strconv.ParseUint(text, 0, 16)
	if perr != nil {
		for name := range strings.SplitSeq(strings.ToUpper(text), "|") {
			v, ok := keyFlags[name]
			if !ok {
				return r.wrong("%q is not a flag of a key", name)
			}
			flags |= uint64(v)
		}
	}
	r.out = appendUint(r.out, 2, flags)
	return nil
}

const timeLayout = "20060102150405"

// readTime reads a time of a signature: YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 §3.2).
func readTime(r *rdataReader) error {
	text, err := r.word("a time")
	if err != nil {
		return err
	}
	if len(text) == len(timeLayout) {
		t, terr := time.Parse(timeLayout, text)
		if terr != nil {
			return r.wrong("%q is not a time: YYYYMMDDHHmmSS", text)
		}
		r.out = appendUint(r.out, 4, uint64(uint32(t.Unix())))
		return nil
	}
	v, perr := strconv.ParseUint(text, 10, 32)
	if perr != nil {
		return r.wrong("%q is not a time: YYYYMMDDHHmmSS, or seconds", text)
	}
	r.out = appendUint(r.out, 4, v)
	return nil
}

func showTime(w *rdataWriter) bool {
	b := w.take(4)
	if b == nil {
		return false
	}
	w.word(time.Unix(int64(bigEndian(b)), 0).UTC().Format(timeLayout))
	return true
}

// readSalt reads octets behind their length: hexadecimal, or "-" for none.
func readSalt(r *rdataReader) error {
	text, err := r.word("a salt")
	if err != nil {
		return err
	}
	if text == "-" {
		text = ""
	}
	b, herr := hex.DecodeString(text)
	if herr != nil || len(b) > 255 {
		return r.wrong("%q is not a salt: at most 255 octets in hexadecimal, or -", text)
	}
	r.out = append(append(r.out, byte(len(b))), b...)
	return nil
}

func showSalt(w *rdataWriter) bool {
	n := w.take(1)
	if n == nil {
		return false
	}
	b := w.take(int(n[0]))
	if len(b) == 0 {
		w.word("-")
	} else {
		w.word(hex.EncodeToString(b))
	}
	return b != nil
}

var base32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// readHash reads a hashed owner behind its length, in base32 with extended hex alphabet.
func readHash(r *rdataReader) error {
	text, err := r.word("a hashed owner")
	if err != nil {
		return err
	}
	b, berr := base32Hex.DecodeString(strings.ToUpper(text))
	if berr != nil || len(b) > 255 || len(b) == 0 {
		return r.wrong("%q is not base32hex", text)
	}
	r.out = append(append(r.out, byte(len(b))), b...)
	return nil
}

func showHash(w *rdataWriter) bool {
	n := w.take(1)
	if n == nil {
		return false
	}
	b := w.take(int(n[0]))
	w.word(base32Hex.EncodeToString(b))
	return len(b) > 0
}

// parseAnyType also knows the types that are not of zone data, and any case.
func parseAnyType(text string) (uint16, bool) {
	text = strings.ToUpper(text)
	if typ, ok := ParseType(text); ok {
		return typ, true
	}
	for typ, name := range metaTypes {
		if name == text {
			return typ, true
		}
	}
	digits, ok := strings.CutPrefix(text, "TYPE")
	v, err := strconv.ParseUint(digits, 10, 16)
	return uint16(v), ok && err == nil
}

// readBitmap reads the types of an NSEC, NSEC3 or CSYNC (RFC 4034 §4.1.2).
func readBitmap(r *rdataReader) error {
	var windows [256][]byte
	for r.next < len(r.toks) {
		text, err := r.word("a type")
		if err != nil {
			return err
		}
		typ, ok := parseAnyType(text)
		if !ok {
			return r.wrong("%q is not a type", text)
		}
		bits, at := windows[typ>>8], int(typ&0xff)/8
		for len(bits) <= at {
			bits = append(bits, 0)
		}
		bits[at] |= 0x80 >> (typ & 7)
		windows[typ>>8] = bits
	}
	for i, bits := range windows {
		if len(bits) > 0 {
			r.out = append(append(r.out, byte(i), byte(len(bits))), bits...)
		}
	}
	return nil
}

func showBitmap(w *rdataWriter) bool {
	last := -1
	for w.at < len(w.wire) {
		head := w.take(2)
		if head == nil || int(head[0]) <= last || head[1] == 0 || head[1] > 32 {
			return false
		}
		last = int(head[0])
		bits := w.take(int(head[1]))
		if bits == nil || bits[len(bits)-1] == 0 {
			return false
		}
		w.bits(uint16(head[0])<<8, bits)
	}
	return true
}

// bits shows the types of a bitmap that begins with type first.
func (w *rdataWriter) bits(first uint16, bits []byte) {
	for i := range len(bits) * 8 {
		if bits[i/8]&(0x80>>(i&7)) == 0 {
			continue
		}
		typ := first + uint16(i)
		if name := metaTypes[typ]; name != "" {
			w.word(name)
		} else {
			w.word(FormatType(typ))
		}
	}
}

// readNXTBitmap reads the types of an NXT: one map of types below 128 (RFC 2535 §5.2).
func readNXTBitmap(r *rdataReader) error {
	var bits []byte
	for r.next < len(r.toks) {
		text, err := r.word("a type")
		if err != nil {
			return err
		}
		typ, ok := parseAnyType(text)
		if !ok || typ == 0 || typ > 127 {
			return r.wrong("%q is not a type from 1 to 127", text)
		}
		for len(bits) <= int(typ)/8 {
			bits = append(bits, 0)
		}
		bits[typ/8] |= 0x80 >> (typ & 7)
	}
	r.out = append(r.out, bits...)
	return nil
}

func showNXTBitmap(w *rdataWriter) bool {
	bits := w.take(len(w.wire) - w.at)
	if len(bits) > 16 || len(bits) > 0 && (bits[len(bits)-1] == 0 || bits[0]&0x80 != 0) {
		w.opaque = true // RFC 2535 §5.2: a map that begins with a one has another format
		return true
	}
	w.bits(0, bits)
	return true
}
