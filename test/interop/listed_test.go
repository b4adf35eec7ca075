package interop

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// An exception is a difference that is right: vitalns does what the text says, or may, and the references
// do not.
type exception struct {
	name   string
	text   string
	covers func(d difference) bool
}

// exceptions are all differences there may be, at most ten. One that nothing comes under any more is an
// error.
var exceptions = []exception{
	{
		name: "explain",
		text: `RFC 1034 §4.2: "Note that the data attached to nodes will be different for these different parallel
			classes." RFC 4892 §2 describes the custom of answering TXT of class CH with what a server says of
			itself: vitalns explains, to clients on loopback, what it answers for a name and why.`,
		covers: func(d difference) bool {
			qtype, class := d.asksFor()
			return class == dns.ClassCHAOS && (qtype == dns.TypeTXT || qtype == dns.TypeANY) &&
				d.want.rcode == dns.RcodeRefused && d.ours.rcode == dns.RcodeSuccess && d.ours.flags == d.want.flags|bitAA &&
				d.ours.question == d.want.question && d.ours.opt == d.want.opt && d.ours.authority == "" && d.ours.additional == "" &&
				isText(d.ours.answer, dns.ClassCHAOS)
		},
	},
	{
		name: "compression",
		text: `RFC 2181 §9: "The TC bit should be set in responses only when an RRSet is required as a part of the
			response, but could not be included in its entirety." Names of a chain that no zone holds, since a DNAME
			made them, are compressed here: the answer has room where theirs has none.`,
		covers: func(d difference) bool {
			return d.via == udp && d.want.flags&bitTC != 0 && d.ours.flags == d.want.flags&^bitTC && d.ours.rcode == d.want.rcode &&
				d.ours.question == d.want.question && hasType(d.ours.answer, dns.TypeDNAME) &&
				len(d.wire) > d.room()*3/4 && len(d.wire) <= d.room()
		},
	},
}

// hasType reports whether a section has a record of a type.
func hasType(section string, typ uint16) bool {
	for at := 0; at < len(section); {
		rr, next, err := dns.UnpackRR([]byte(section), at)
		if err != nil {
			return false
		}
		if rr.Header().Rrtype == typ {
			return true
		}
		at = next
	}
	return false
}

// isText reports whether a section is one TXT record of a class.
func isText(section string, class uint16) bool {
	rr, end, err := dns.UnpackRR([]byte(section), 0)
	return err == nil && end == len(section) && rr.Header().Rrtype == dns.TypeTXT && rr.Header().Class == class
}

// asksFor returns the type and class of the question; zeros if it cannot be read.
func (q question) asksFor() (qtype, class uint16) {
	if s := []byte(q.asked()); len(s) > 0 {
		qtype, class = binary.BigEndian.Uint16(s[len(s)-4:]), binary.BigEndian.Uint16(s[len(s)-2:])
	}
	return qtype, class
}
