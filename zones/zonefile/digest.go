package zonefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"vitalns/checks"
	"vitalns/zones"
)

// digest sums up all that is served and how. It does not depend on how the file is written: spelling,
// and the order of what has no order, are no part of it.
func (z *zone) digest() [16]byte {
	var d digest
	d.text("vitalns zone 2", string(z.src.Origin))
	soa := z.src.SOA
	d.text(string(soa.MName), string(soa.RName))
	for _, n := range []uint32{soa.Serial, soa.Refresh, soa.Retry, soa.Expire, soa.Minimum, soa.TTL} {
		d.number(int64(n))
	}
	d.number(int64(z.src.Records.Len()))
	for _, n := range recordsSum(z.src.Records) {
		d.number(int64(n))
	}
	dynamic := slices.Clone(z.src.Dynamic)
	slices.SortFunc(dynamic, func(a, b zones.Dynamic) int { return a.Owner.Compare(b.Owner) })
	d.number(int64(len(dynamic)))
	for _, o := range dynamic {
		d.dynamic(o)
	}
	pools := slices.Clone(z.src.Pools)
	slices.SortFunc(pools, func(a, b zones.Pool) int { return strings.Compare(a.Name, b.Name) })
	d.number(int64(len(pools)))
	for _, p := range pools {
		d.pool(p)
	}
	d.watches(z.watch)
	sum := sha256.Sum256(d)
	return [16]byte(sum[:16])
}

// A digest is what is summed up: each text with its length, so that no two lists read alike.
type digest []byte

func (d *digest) text(texts ...string) {
	for _, s := range texts {
		*d = binary.BigEndian.AppendUint32(*d, uint32(len(s)))
		*d = append(*d, s...)
	}
}

func (d *digest) number(numbers ...int64) {
	for _, n := range numbers {
		*d = binary.BigEndian.AppendUint64(*d, uint64(n))
	}
}

func (d *digest) flags(flags ...bool) {
	for _, f := range flags {
		b := byte(0)
		if f {
			b = 1
		}
		*d = append(*d, b)
	}
}

// recordsSum sums up records whatever their order, without sorting them: it adds the sums of the RRsets.
func recordsSum(records *zones.Records) (sum [4]uint64) {
	var one digest
	for set := range records.All() {
		one = one[:0]
		one.rrset(set)
		h := sha256.Sum256(one)
		for i := range sum {
			sum[i] += binary.BigEndian.Uint64(h[8*i:])
		}
	}
	return sum
}

func (d *digest) rrset(set zones.RRset) {
	d.text(string(set.Owner))
	d.number(int64(set.Type), int64(set.TTL), int64(len(set.Rdata)))
	var few [4][]byte
	rdata := few[:0]
	for _, r := range set.Rdata {
		rdata = append(rdata, canonicalRdata(set.Type, r))
	}
	if len(rdata) > 1 {
		slices.SortFunc(rdata, bytes.Compare)
	}
	for _, r := range rdata {
		*d = append(binary.BigEndian.AppendUint32(*d, uint32(len(r))), r...)
	}
}

func (d *digest) dynamic(o zones.Dynamic) {
	d.text(string(o.Owner))
	d.flags(o.ECS)
	d.number(int64(len(o.Rules)))
	for _, r := range o.Rules {
		d.text(r.Pool)
		subnets := make([]string, len(r.Subnets))
		for i, p := range r.Subnets {
			subnets[i] = p.String()
		}
		slices.Sort(subnets)
		subnets = slices.Compact(subnets)
		d.number(int64(len(subnets)))
		d.text(subnets...)
	}
	if o.Alias != "" {
		d.text("alias", string(o.Alias))
		d.number(int64(o.TTL))
	}
	for _, h := range o.Hosts {
		d.text("hosts")
		d.number(int64(len(h.Pools)))
		for _, p := range h.Pools {
			d.text(p.Pool)
			d.number(int64(p.Priority), int64(p.Port))
		}
		d.rrset(zones.RRset{Owner: o.Owner, Type: h.Type, TTL: h.TTL, Rdata: h.Fixed})
	}
}

func (d *digest) pool(p zones.Pool) {
	d.text(p.Name, p.Policy.String(), p.Fallback)
	d.number(int64(p.MaxAnswers), int64(p.MinHealthy.N), int64(p.WhenAllDown), int64(p.Failback.Mode),
		int64(p.Failback.Hold), int64(p.TTL.Min), int64(p.TTL.Max), int64(len(p.Members)))
	d.flags(p.MinHealthy.Percent, p.AllDownWritten, p.Linked)
	for _, m := range p.Members {
		d.text(m.Name, m.Admin.String(), string(m.CNAME))
		d.number(int64(m.Priority), int64(m.Weight), int64(len(m.Addrs)))
		d.need(m.Need)
		for _, a := range m.Addrs {
			d.text(a.Addr.String())
			d.need(a.Need)
		}
	}
}

func (d *digest) need(n zones.Need) {
	targets := make([]string, len(n.Of))
	for i, t := range n.Of {
		targets[i] = targetText(t)
	}
	slices.Sort(targets)
	d.number(int64(n.K), int64(len(targets)))
	d.text(targets...)
}

func targetText(t checks.Target) string {
	var d digest
	d.text(t.Host, t.Probe.Type, string(t.Probe.Sum[:]))
	d.number(int64(t.Port))
	return string(d)
}

func (d *digest) watches(placed []placedWatch) {
	texts := make([]string, len(placed))
	for i, w := range placed {
		var one digest
		one.text(targetText(w.Target), w.Check, w.Quorum.String())
		one.number(int64(w.Interval), int64(w.Timeout), int64(w.FastInterval), int64(w.Fall), int64(w.Rise), int64(w.Clear))
		texts[i] = string(one)
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	d.number(int64(len(texts)))
	d.text(texts...)
}
