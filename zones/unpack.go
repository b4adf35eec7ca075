package zones

import (
	"bytes"
	"encoding/hex"

	"github.com/miekg/dns"
)

// Unpack returns the records under the given owner, which may be a client's spelling of it
// or a name that a wildcard stands for. They are new: the caller may change them.
func (s Packed) Unpack(owner string) []dns.RR {
	out := make([]dns.RR, 0, s.Count())
	for rdata := range s.Rdata() {
		out = append(out, UnpackRdata(owner, s.Type(), s.TTL(), rdata))
	}
	return out
}

// UnpackRdata returns the record with this rdata. What miekg/dns cannot read, or would not write again
// byte by byte, becomes a record of unknown type (RFC 3597), so that it is never lost.
func UnpackRdata(owner string, typ uint16, ttl uint32, rdata []byte) dns.RR {
	h := dns.RR_Header{Name: owner, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl, Rdlength: uint16(len(rdata))}
	if rr, _, err := dns.UnpackRRWithHeader(h, rdata, 0); err == nil && (isPlain(typ) || writesBack(rr, rdata)) {
		return rr
	}
	return &dns.RFC3597{Hdr: h, Rdata: hex.EncodeToString(rdata)}
}

// isPlain reports whether miekg/dns is known to write a type as it reads it.
func isPlain(typ uint16) bool {
	switch typ {
	case dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypePTR, dns.TypeMX, dns.TypeSRV:
		return true
	}
	return false
}

// writesBack reports whether a record packs to the rdata it was read from.
func writesBack(rr dns.RR, rdata []byte) bool {
	bare := dns.Copy(rr)
	bare.Header().Name = "."
	buf := make([]byte, dns.Len(bare)+len(rdata)+16)
	end, err := dns.PackRR(bare, buf, 0, nil, false)
	return err == nil && end > 11 && bytes.Equal(buf[11:end], rdata)
}

// UnpackSOA returns the SOA record of a zone with the given serial and TTL.
func (s *Set) UnpackSOA(zone ZoneID, serial, ttl uint32) *dns.SOA {
	z := &s.zones[zone]
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: z.Origin.String(), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  z.SOA.MName.String(), Mbox: z.SOA.RName.String(), Serial: serial,
		Refresh: z.SOA.Refresh, Retry: z.SOA.Retry, Expire: z.SOA.Expire, Minttl: z.SOA.Minimum,
	}
}
