package zonefile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// readGateway reads the gateway of an IPSECKEY (RFC 4025 §2.5) or the relay of an AMTRELAY (RFC 8777
// §4.2), whose type is in the octet behind the precedence: none, IPv4, IPv6 or name.
func readGateway(r *rdataReader) error {
	text, err := r.word("a gateway")
	if err != nil {
		return err
	}
	switch kind := r.out[r.start+1] & 0x7f; kind {
	case 0:
		if text != "." {
			return r.wrong(`%q is not the gateway of type 0: "."`, text)
		}
		return nil
	case 1:
		return r.addr(text, 4)
	case 2:
		return r.addr(text, 16)
	case 3:
		r.out, err = r.names.appendName(r.out, text)
		return err
	default:
		return r.wrong("gateways of type %d have no presentation form", kind)
	}
}

func showGateway(w *rdataWriter) bool {
	switch w.wire[1] & 0x7f {
	case 0:
		w.word(".")
		return true
	case 1:
		return showAddr(4)(w)
	case 2:
		return showAddr(16)(w)
	case 3:
		return showName(w)
	}
	w.opaque = true
	w.take(len(w.wire) - w.at)
	return true
}

// readRelay reads the discovery bit and the type of an AMTRELAY, which share an octet.
func readRelay(r *rdataReader) error {
	discovery, err := r.number(1)
	if err != nil {
		return err
	}
	if discovery > 1 {
		return r.wrong("a discovery bit is 0 or 1")
	}
	kind, err := r.number(1)
	if err != nil {
		return err
	}
	if kind > 0x7f {
		return r.wrong("a relay type is at most 127")
	}
	r.out = append(r.out, byte(discovery<<7|kind))
	return nil
}

func showRelay(w *rdataWriter) bool {
	b := w.take(1)
	if b == nil {
		return false
	}
	w.word(fmt.Sprintf("%d %d", b[0]>>7, b[0]&0x7f))
	return true
}

// readHIP reads algorithm, host identity tag and key (RFC 8005 §5), which have their lengths before them.
func readHIP(r *rdataReader) error {
	algorithm, err := r.number(1)
	if err != nil {
		return err
	}
	text, err := r.word("a host identity tag")
	if err != nil {
		return err
	}
	tag, herr := hex.DecodeString(text)
	if herr != nil || len(tag) == 0 || len(tag) > 255 {
		return r.wrong("%q is not a host identity tag in hexadecimal", text)
	}
	if text, err = r.word("a public key"); err != nil {
		return err
	}
	key, berr := base64.StdEncoding.DecodeString(text)
	if berr != nil || len(key) == 0 || len(key) > maxRdata {
		return r.wrong("%s is not base64", quote(text))
	}
	r.out = append(r.out, byte(len(tag)), byte(algorithm))
	r.out = appendUint(r.out, 2, uint64(len(key)))
	r.out = append(append(r.out, tag...), key...)
	return nil
}

func showHIP(w *rdataWriter) bool {
	head := w.take(4)
	if head == nil {
		return false
	}
	tag := w.take(int(head[0]))
	key := w.take(int(bigEndian(head[2:])))
	if len(tag) == 0 || len(key) == 0 {
		return false
	}
	w.word(fmt.Sprintf("%d %x %s", head[1], tag, base64.StdEncoding.EncodeToString(key)))
	return true
}

// readEUI reads an address of so many octets, in hexadecimal with hyphens (RFC 7043).
func readEUI(size int) func(r *rdataReader) error {
	return func(r *rdataReader) error {
		text, err := r.word("an address")
		if err != nil {
			return err
		}
		b, herr := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		if herr != nil || len(b) != size || strings.Count(text, "-") != size-1 || !strings.EqualFold(text, formatEUI(b)) {
			return r.wrong("%q is not %d octets with hyphens between them", text, size)
		}
		r.out = append(r.out, b...)
		return nil
	}
}

func showEUI(size int) func(w *rdataWriter) bool {
	return func(w *rdataWriter) bool {
		b := w.take(size)
		w.word(formatEUI(b))
		return b != nil
	}
}

func formatEUI(b []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", "-")
}

// readLocator reads the 64 bits of a NID or L64: four groups of hexadecimal digits (RFC 6742 §2).
func readLocator(r *rdataReader) error {
	text, err := r.word("four groups of digits")
	if err != nil {
		return err
	}
	groups := strings.Split(text, ":")
	if len(groups) != 4 {
		return r.wrong("%q is not four groups of hexadecimal digits", text)
	}
	for _, group := range groups {
		v, perr := strconv.ParseUint(group, 16, 16)
		if perr != nil || len(group) > 4 {
			return r.wrong("%q is not four groups of hexadecimal digits", text)
		}
		r.out = appendUint(r.out, 2, v)
	}
	return nil
}

func showLocator(w *rdataWriter) bool {
	b := w.take(8)
	if b == nil {
		return false
	}
	w.word(fmt.Sprintf("%04x:%04x:%04x:%04x", b[0:2], b[2:4], b[4:6], b[6:8]))
	return true
}

// readATMA reads an ATM address: digits behind +, or hexadecimal with or without dots.
func readATMA(r *rdataReader) error {
	text, err := r.word("an ATM address")
	if err != nil {
		return err
	}
	if digits, ok := strings.CutPrefix(text, "+"); ok {
		if digits == "" || strings.Trim(digits, "0123456789") != "" {
			return r.wrong("%q is not an ATM address", text)
		}
		r.out = append(append(r.out, 1), digits...)
		return nil
	}
	b, herr := hex.DecodeString(strings.ReplaceAll(text, ".", ""))
	if herr != nil || len(b) == 0 {
		return r.wrong("%q is not an ATM address", text)
	}
	r.out = append(append(r.out, 0), b...)
	return nil
}

func showATMA(w *rdataWriter) bool {
	b := w.take(len(w.wire) - w.at)
	switch {
	case len(b) < 2:
		return false
	case b[0] == 0:
		w.word(hex.EncodeToString(b[1:]))
	case b[0] == 1 && len(bytes.Trim(b[1:], "0123456789")) == 0:
		w.word("+" + string(b[1:]))
	default:
		w.opaque = true
	}
	return true
}

// readNSAP reads an address in hexadecimal with dots anywhere (RFC 1706 §5).
func readNSAP(r *rdataReader) error {
	text, err := r.word("an address")
	if err != nil {
		return err
	}
	digits, ok := strings.CutPrefix(lowerASCII(text), "0x")
	b, herr := hex.DecodeString(strings.ReplaceAll(digits, ".", ""))
	if !ok || herr != nil || len(b) == 0 {
		return r.wrong("%q is not an address: 0x and hexadecimal digits", text)
	}
	r.out = append(r.out, b...)
	return nil
}

func showNSAP(w *rdataWriter) bool {
	b := w.take(len(w.wire) - w.at)
	w.word("0x" + hex.EncodeToString(b))
	return len(b) > 0
}

// readA6 reads a length of prefix, the rest of the address, and the name of the prefix (RFC 2874 §3.1).
func readA6(r *rdataReader) error {
	length, err := r.number(1)
	if err != nil {
		return err
	}
	if length > 128 {
		return r.wrong("a prefix has at most 128 bits")
	}
	r.out = append(r.out, byte(length))
	if length < 128 {
		at := len(r.out)
		if err := readAddr(16)(r); err != nil {
			return err
		}
		suffix := r.out[at+int(length)/8:]
		suffix[0] &= 0xff >> (length % 8)
		r.out = append(r.out[:at], suffix...)
	}
	if length == 0 {
		return nil
	}
	return readName(r)
}

func showA6(w *rdataWriter) bool {
	b := w.take(1)
	if b == nil || b[0] > 128 {
		return false
	}
	length := int(b[0])
	w.word(strconv.Itoa(length))
	if length < 128 {
		var addr [16]byte
		suffix := w.take(16 - length/8)
		if suffix == nil || suffix[0]&^(0xff>>(length%8)) != 0 {
			return false
		}
		copy(addr[length/8:], suffix)
		w.word(netip.AddrFrom16(addr).String())
	}
	return length == 0 || showName(w)
}

// readAPL reads items [!]FAMILY:ADDRESS/PREFIX to the end, none or more (RFC 3123 §5).
func readAPL(r *rdataReader) error {
	for r.next < len(r.toks) {
		text, err := r.word("an item")
		if err != nil {
			return err
		}
		item, negated := strings.CutPrefix(text, "!")
		family, prefix, _ := strings.Cut(item, ":")
		p, perr := netip.ParsePrefix(prefix)
		if perr != nil || family != "1" && family != "2" || p.Addr().Is4() != (family == "1") {
			return r.wrong("%q is not an item: [!]1:IPv4/BITS or [!]2:IPv6/BITS", text)
		}
		addr := bytes.TrimRight(p.Addr().AsSlice(), "\x00")
		length := byte(len(addr))
		if negated {
			length |= 0x80
		}
		r.out = append(r.out, 0, family[0]-'0', byte(p.Bits()), length)
		r.out = append(r.out, addr...)
	}
	return nil
}

func showAPL(w *rdataWriter) bool {
	for w.at < len(w.wire) {
		head := w.take(4)
		if head == nil {
			return false
		}
		size := 4
		switch bigEndian(head[:2]) {
		case 1:
		case 2:
			size = 16
		default: // another family has its own form of address
			w.opaque = true
			size = 127
		}
		part := w.take(int(head[3] & 0x7f))
		if part == nil || len(part) > size || len(part) > 0 && part[len(part)-1] == 0 || int(head[2]) > size*8 {
			return false
		}
		if size == 127 {
			continue
		}
		full := make([]byte, size)
		copy(full, part)
		addr, _ := netip.AddrFromSlice(full)
		sign := ""
		if head[3]&0x80 != 0 {
			sign = "!"
		}
		w.word(fmt.Sprintf("%s%d:%s/%d", sign, head[1], addr, head[2]))
	}
	return true
}

// Names of protocols and services in a WKS: what masters have in practice. Numbers are always read.
var (
	wksProtocols = map[string]byte{"ICMP": 1, "TCP": 6, "EGP": 8, "UDP": 17}
	wksServices  = map[string]uint16{
		"ECHO": 7, "DISCARD": 9, "SYSTAT": 11, "DAYTIME": 13, "NETSTAT": 15, "QOTD": 17, "CHARGEN": 19, "FTP-DATA": 20, "FTP": 21, "SSH": 22,
		"TELNET": 23, "SMTP": 25, "TIME": 37, "RLP": 39, "NAMESERVER": 42, "WHOIS": 43, "NICNAME": 43, "TACACS": 49, "DOMAIN": 53, "BOOTPS": 67, "BOOTPC": 68,
		"TFTP": 69, "GOPHER": 70, "FINGER": 79, "HTTP": 80, "WWW": 80, "KERBEROS": 88, "HOSTNAMES": 101, "HOSTNAME": 101, "ISO-TSAP": 102, "RTELNET": 107, "POP2": 109,
		"POP3": 110, "SUNRPC": 111, "AUTH": 113, "IDENT": 113, "SFTP": 115, "UUCP-PATH": 117, "NNTP": 119, "NTP": 123, "NETBIOS-NS": 137, "NETBIOS-DGM": 138, "NETBIOS-SSN": 139,
		"IMAP2": 143, "IMAP": 143, "SNMP": 161, "SNMP-TRAP": 162, "SNMPTRAP": 162, "XDMCP": 177, "BGP": 179, "IRC": 194, "LDAP": 389, "HTTPS": 443, "SYSLOG": 514,
		"PRINTER": 515, "NFS": 2049, "X11": 6000,
	}
)

// readWKS reads an address, a protocol and its services (RFC 1035 §3.4.2).
func readWKS(r *rdataReader) error {
	if err := readAddr(4)(r); err != nil {
		return err
	}
	text, err := r.word("a protocol")
	if err != nil {
		return err
	}
	protocol, ok := wksProtocols[strings.ToUpper(text)]
	if v, perr := strconv.ParseUint(text, 10, 8); perr == nil {
		protocol, ok = byte(v), true
	}
	if !ok {
		return r.wrong("%q is not a protocol: TCP, UDP or a number", text)
	}
	var bits []byte
	for r.next < len(r.toks) {
		if text, err = r.word("a service"); err != nil {
			return err
		}
		service, ok := wksServices[strings.ToUpper(text)]
		if v, perr := strconv.ParseUint(text, 10, 16); perr == nil {
			service, ok = uint16(v), true
		}
		if !ok {
			return r.wrong("service %q is not known; its number is", text)
		}
		for len(bits) <= int(service)/8 {
			bits = append(bits, 0)
		}
		bits[service/8] |= 0x80 >> (service & 7)
	}
	r.out = append(append(r.out, protocol), bits...)
	return nil
}

func showWKS(w *rdataWriter) bool {
	if !showAddr(4)(w) || !showUint(1)(w) {
		return false
	}
	bits := w.take(len(w.wire) - w.at)
	if len(bits) > 8192 {
		return false
	}
	if len(bits) > 0 && bits[len(bits)-1] == 0 {
		w.opaque = true
	}
	for i := range len(bits) * 8 {
		if bits[i/8]&(0x80>>(i&7)) != 0 {
			w.word(strconv.Itoa(i))
		}
	}
	return true
}
