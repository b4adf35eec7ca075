package zonefile

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"vitalns/checks"
	"vitalns/zones"
	"vitalns/zones/policy"
)

// Export returns a zone as an RFC 1035 master file. Pools stand in it as what they answer when every
// target is up, with a comment. Types that not every server knows are written as RFC 3597 has it.
func Export(src *zones.Source) []byte {
	ex := exporter{Source: src}
	from := ""
	if src.File != "" {
		from = " from " + comment(src.File)
	}
	ex.printf("; zone %s, exported%s\n", comment(src.Origin.String()), from)
	ex.printf("$ORIGIN %s\n$TTL %d\n", nameText(string(src.Origin)), src.SOA.TTL)
	ex.startOfAuthority()
	ex.records(func(set zones.RRset) bool { return set.Owner == src.Origin && set.Type == typeNS })
	ex.records(func(set zones.RRset) bool { return set.Owner == src.Origin && set.Type != typeNS })
	ex.records(func(set zones.RRset) bool { return set.Owner != src.Origin })
	ex.dynamic()
	return ex.out.Bytes()
}

// records writes some of the static records, in the order of the file.
func (ex *exporter) records(some func(set zones.RRset) bool) {
	for set := range ex.Records.All() {
		if !some(set) {
			continue
		}
		for _, rdata := range set.Rdata {
			ex.record(set.Owner, set.TTL, set.Type, rdata)
		}
	}
}

// An exporter writes a source as a master file.
type exporter struct {
	*zones.Source
	out bytes.Buffer
}

func (ex *exporter) printf(format string, args ...any) { fmt.Fprintf(&ex.out, format, args...) }

func (ex *exporter) startOfAuthority() {
	soa := ex.SOA
	if soa.Serial == 0 {
		ex.printf("; the serial is the cluster's to count: 0 stands for it\n")
	}
	wire := append([]byte(soa.MName), soa.RName...)
	for _, n := range []uint32{soa.Serial, soa.Refresh, soa.Retry, soa.Expire, soa.Minimum} {
		wire = appendUint(wire, 4, uint64(n))
	}
	ex.record(ex.Origin, soa.TTL, typeSOA, wire)
}

// record writes one record.
func (ex *exporter) record(owner zones.Name, ttl uint32, typ uint16, rdata []byte) {
	name := "@"
	if owner != ex.Origin {
		name = strings.Join(labelTexts(string(owner[:len(owner)-len(ex.Origin)])), ".")
	}
	mnemonic, note := FormatType(typ), ""
	text, ok := formatRdata(typ, rdata, string(ex.Origin))
	if !rrTypes[typ].portable || !ok {
		if ok {
			note = " ; " + mnemonic + " " + text
		}
		mnemonic, text = fmt.Sprintf("TYPE%d", typ), genericRdata(rdata)
	}
	ex.printf("%-24s %7d IN %-8s %s%s\n", name, ttl, mnemonic, text, note)
}

// dynamic writes what the owners answer whose answers come from pools, or from an ALIAS.
func (ex *exporter) dynamic() {
	if len(ex.Dynamic) == 0 {
		return
	}
	set, err := zones.Compile([]*zones.Source{ex.Source})
	if err != nil {
		panic("zonefile: internal error: a checked zone does not compile: " + err.Error())
	}
	table := zones.NewTable(set, allUp(ex.Watches))
	ex.printf("\n; Below are pools: what they answer when every target is up.\n")
	for _, d := range ex.Dynamic {
		if len(d.Rules) > 0 {
			ex.pool(table, d)
		}
		if d.Alias != "" {
			ex.alias(table, d)
		}
		for _, h := range d.Hosts {
			ex.hosts(table, d.Owner, h)
		}
	}
}

// pool writes what an owner answers to clients that no rule names.
func (ex *exporter) pool(table *zones.Table, d zones.Dynamic) {
	name := d.Rules[len(d.Rules)-1].Pool
	id, _ := table.Set().PoolID(ex.Origin, name)
	pool := table.Set().Pools()[id]
	ex.printf("; pool %q, %s", name, pool.Pool.Policy)
	for _, rule := range d.Rules[:len(d.Rules)-1] {
		ex.printf("; for some clients pool %q", rule.Pool)
	}
	ex.printf("\n")
	if pool.Names {
		ex.answer(d.Owner, typeCNAME, table.Answer(id, typeCNAME))
		return
	}
	ex.answer(d.Owner, typeA, table.Answer(id, typeA))
	ex.answer(d.Owner, typeAAAA, table.Answer(id, typeAAAA))
}

// alias writes the addresses that an ALIAS leads to.
func (ex *exporter) alias(table *zones.Table, d zones.Dynamic) {
	ex.printf("; ALIAS %s", nameText(string(d.Alias)))
	for _, typ := range []uint16{typeA, typeAAAA} {
		out := table.Set().Lookup(d.Owner, typ)
		if out.Kind != zones.Followed {
			ex.printf(", which is never served\n") // below a zone cut or a DNAME
			return
		}
		trail := table.Follow(out.Dynamic, typ, func(d zones.DynamicID) zones.Drawn {
			pool, _ := table.Route(d, netip.Addr{})
			return table.All(pool, typ)
		})
		if trail.Lost != "" && typ == typeAAAA {
			return
		}
		if trail.Lost != "" {
			ex.printf(", whose addresses are not known from this zone alone\n")
			return
		}
		if typ == typeA {
			ex.printf("\n")
		}
		for _, rdata := range trail.Rdata {
			ex.record(d.Owner, trail.TTL, typ, rdata)
		}
	}
}

// hosts writes MX or SRV records whose hosts pools choose.
func (ex *exporter) hosts(table *zones.Table, owner zones.Name, h zones.Hosts) {
	names := make([]string, len(h.Pools))
	for i, p := range h.Pools {
		names[i] = fmt.Sprintf("%q", p.Pool)
	}
	ex.printf("; %s of pools %s\n", FormatType(h.Type), strings.Join(names, ", "))
	out := table.Set().Lookup(owner, h.Type)
	if out.Kind != zones.Hosted {
		return // below a zone cut or a DNAME
	}
	l := table.List(out.Hosts, func(p zones.PoolID) zones.Drawn {
		d := table.All(p, typeCNAME)
		if c := table.Answer(p, typeCNAME).Choice; c.Max > 0 && c.Max < len(c.Members) || c.Mode == policy.Hash && len(c.Members) > 1 {
			ex.printf("; an answer has %d of %d hosts of %q\n", max(c.Max, 1), len(c.Members), table.Set().Pools()[p].Pool.Name)
		}
		return d
	})
	for _, rdata := range l.Rdata {
		ex.record(owner, l.TTL, h.Type, rdata)
	}
}

// answer writes all that may be in an answer of a pool.
func (ex *exporter) answer(owner zones.Name, typ uint16, a *zones.FamilyAnswer) {
	if a.Result != zones.DrawnServe {
		return
	}
	rows := a.Rdata
	if typ == typeCNAME && len(rows) > 1 { // a name has one
		ex.printf("; the first of %d names\n", len(rows))
		rows = rows[:1]
	}
	if typ != typeCNAME && a.Choice.Mode != policy.Together && len(rows) > 1 {
		ex.printf("; an answer has %d of %d targets\n", max(a.Choice.Max, 1), len(rows))
	}
	for _, row := range rows {
		for _, rdata := range row {
			ex.record(owner, a.TTL, typ, rdata)
		}
	}
}

// allUp is a snapshot in which every target has been up for long.
func allUp(watches []checks.Watch) *checks.Snapshot {
	up := make(map[checks.Target]checks.Verdict, len(watches))
	for _, w := range watches {
		up[w.Target] = checks.Verdict{State: checks.Up, Age: 1000 * time.Hour}
	}
	now := time.Unix(0, 0)
	return &checks.Snapshot{At: now, Verdicts: checks.NewVerdicts(up, now)}
}
