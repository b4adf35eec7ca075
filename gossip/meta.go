package gossip

import (
	"bytes"

	"github.com/hashicorp/memberlist"
)

// A Meta is what a member tells the others about itself, for people and their tools. All of it together
// is at most 512 bytes: what is too long is cut, and addresses that do not fit are left out.
type Meta struct {
	HTTP    string   // address of the admin HTTP listener, "" if none
	DNS     []string // addresses it answers on
	Site    string
	Version string
}

const (
	metaVersion = 1
	maxMetaText = 100 // bytes of each text
	maxMetaDNS  = 16  // addresses
)

func (m Meta) encode() []byte {
	b := []byte{metaVersion}
	for _, s := range [...]string{m.HTTP, m.Site, m.Version} {
		b = appendText(b, s[:min(len(s), maxMetaText)])
	}
	for i, s := range m.DNS {
		if i < maxMetaDNS && len(s) <= maxMetaText && len(b)+1+len(s) <= memberlist.MetaMaxSize {
			b = appendText(b, s)
		}
	}
	return b
}

// decodeMeta reads what encode wrote; what is malformed or of another version is an empty Meta.
func decodeMeta(b []byte) Meta {
	d := decoder{b: bytes.Clone(b)}
	if d.byte() != metaVersion || len(b) > memberlist.MetaMaxSize {
		return Meta{}
	}
	var m Meta
	for _, to := range [...]*string{&m.HTTP, &m.Site, &m.Version} {
		*to = string(d.text(maxMetaText))
	}
	for len(d.b) > 0 && len(m.DNS) < maxMetaDNS {
		m.DNS = append(m.DNS, string(d.text(maxMetaText)))
	}
	if d.err != nil {
		return Meta{}
	}
	return m
}
