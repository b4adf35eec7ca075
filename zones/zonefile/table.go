package zonefile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Keys is the table of keys of one kind of table. A key that is not in it is an error with the nearest
// name.
type Keys struct {
	Names   []string          // in the order of the documentation, in lower case
	Open    bool              // the keys are names that the user makes up
	Later   map[string]string // known, but not in this version: what to do instead
	Foreign map[string]string // other programs' spelling (lower case, no _ or -) -> one of Names, beside the common ones
	rrtypes bool              // types of records are keys too
	zone    bool              // of a zone file: a key may be one of another of its tables
}

// A Table is a table whose keys have been held against a table of keys. A nil Table has no keys.
type Table struct {
	What  string // `pool "www"`; "" for the file itself
	value *Value
	keys  Keys
}

// Table returns v as a table, or reports that it is none. What names it in messages: `pool "www"`.
func (v *Value) Table(what string, keys Keys) *Table {
	if v == nil {
		return nil
	}
	if v.kind != tableKind {
		v.Error("", "%s wants a table, not %s", v.Name, v.typeName())
		return nil
	}
	t := &Table{What: what, value: v, keys: keys}
	for _, f := range v.fields {
		f.setWhere(what)
		if !keys.Open && !keys.known(f.Name) {
			keys.reportUnknown(f, what)
		}
	}
	return t
}

func (v *Value) setWhere(where string) {
	v.where = where
	for _, item := range v.items {
		item.setWhere(where)
	}
}

// Get returns the value of a key, nil if it is not there.
func (t *Table) Get(name string) *Value {
	if t == nil {
		return nil
	}
	if !t.keys.Open && !t.keys.known(name) {
		panic(fmt.Sprintf("zonefile: internal error: %q is not in the table of keys of %s", name, t.What))
	}
	return t.value.byName[name]
}

// Fields are the keys of the table with their values, in the order of the file.
func (t *Table) Fields() []*Value {
	if t == nil {
		return nil
	}
	return t.value.fields
}

// Error reports that something is wrong with the table as a whole.
func (t *Table) Error(hint, format string, args ...any) { t.report(Error, hint, format, args) }

// Warn reports that something about the table as a whole is unwise.
func (t *Table) Warn(hint, format string, args ...any) { t.report(Warning, hint, format, args) }

func (t *Table) report(severity Severity, hint, format string, args []any) {
	text := say(format, args...)
	if t.What != "" {
		text = t.What + ": " + text
	}
	t.value.doc.report(t.value.keyPlace(), severity, text, hint)
}

func (k Keys) known(name string) bool {
	if slices.Contains(k.Names, name) {
		return true
	}
	if !k.rrtypes {
		return false
	}
	_, ok := ParseType(name)
	return ok
}

func (k Keys) reportUnknown(f *Value, what string) {
	in := ""
	if what != "" {
		in = " in " + what
	}
	if hint, ok := k.Later[f.Name]; ok {
		f.doc.report(f.keyPlace(), Error, say("%q%s is not supported in this version", f.Name, in), hint)
		return
	}
	f.doc.report(f.keyPlace(), Error, say("unknown key %q%s", f.Name, in), k.suggest(f.Name))
}

// suggest says what an unknown key was probably meant to be.
func (k Keys) suggest(name string) string {
	for _, n := range k.Names {
		if strings.EqualFold(n, name) && n == strings.ToLower(n) {
			return fmt.Sprintf("did you mean `%s`? our keywords are lower case", n)
		}
	}
	if k.rrtypes {
		if upper := strings.ToUpper(name); upper != name {
			if _, ok := ParseType(upper); ok || slices.Contains(k.Names, upper) {
				return fmt.Sprintf("did you mean `%s`? types of records are upper case", upper)
			}
		}
	}
	if n := k.Foreign[squash(name)]; n != "" {
		return fmt.Sprintf("did you mean `%s`?", n)
	}
	for _, n := range foreign[squash(name)] {
		if slices.Contains(k.Names, n) {
			return fmt.Sprintf("did you mean `%s`?", n)
		}
	}
	if k.rrtypes {
		if hint := typeHint(name); hint != "" {
			return hint
		}
	}
	if home := homeOf(name); k.zone && home != "" {
		return fmt.Sprintf("`%s` is a key of %s", name, home)
	}
	for _, n := range foreign[squash(name)] {
		if home := homeOf(n); k.zone && home != "" {
			return fmt.Sprintf("did you mean `%s`? it is a key of %s", n, home)
		}
	}
	candidates := k.Names
	if k.rrtypes {
		candidates = append(slices.Clone(candidates), commonTypes...)
	}
	if n := nearest(name, candidates); n != "" {
		return fmt.Sprintf("did you mean `%s`?", n)
	}
	if len(k.Names) == 0 {
		return ""
	}
	if k.rrtypes && name == strings.ToUpper(name) {
		return `a type that is not known is written TYPEnnn, its data '\# LENGTH HEX'`
	}
	hint := "keys here are " + strings.Join(k.Names, ", ")
	if k.rrtypes {
		hint += ", and types of records"
	}
	return hint
}

// typeHint says why a type of records is none that a zone holds; "" if it may be something else.
func typeHint(name string) string {
	digits, ok := strings.CutPrefix(name, "TYPE")
	if ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
		if n, err := strconv.ParseUint(digits, 10, 16); err != nil || n == 0 {
			return "types have numbers from 1 to 65535"
		} else if meta := metaTypes[uint16(n)]; meta != "" {
			name = meta
		}
	}
	for _, meta := range metaTypes {
		if name == meta {
			return name + " is of queries or transactions, not of zones"
		}
	}
	return ""
}

// homeOf says which table of a zone file has a key.
func homeOf(name string) string {
	switch {
	case slices.Contains(wholePoolKeys.Names, name):
		return "pools"
	case slices.Contains(checkKeys.Names, name):
		return "checks"
	case slices.Contains(targetKeys.Names, name):
		return "targets"
	case slices.Contains(recordKeys.Names, name):
		return "records"
	case slices.Contains(zoneKeys.Names, name):
		return "the file itself: it stands above the first [header]"
	}
	return ""
}

// squash makes failureThreshold, failure-threshold and failure_threshold one.
func squash(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// nearest is the candidate that a slip of the finger may have made into name; "" if none is near.
func nearest(name string, candidates []string) string {
	best, least := "", 1+max(1, min(len(name), 12)/3)
	for _, c := range candidates {
		if len(c) < 3 && len(name) != len(c) {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	var two, one []int // the rows before
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, row = one, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// didYouMean is the hint for a wrong word or name: the nearest, or all there are.
func didYouMean(name string, candidates []string) string {
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return fmt.Sprintf("did you mean %q?", c)
		}
	}
	if n := nearest(name, candidates); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	switch {
	case len(candidates) == 0:
		return ""
	case len(candidates) > 12:
		return "there are " + strings.Join(candidates[:12], ", ") + ", ..."
	case len(candidates) == 1:
		return "there is only " + candidates[0]
	}
	return "there are " + strings.Join(candidates, ", ")
}

// commonTypes are the types of records offered for a misspelt one.
var commonTypes = []string{"A", "AAAA", "CAA", "CNAME", "DNAME", "DS", "HTTPS", "LOC", "MX", "NAPTR", "NS", "PTR", "SOA",
	"SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI"}

// foreign has spellings of other programs, squashed, with ours; the first that the table takes is meant.
var foreign = map[string][]string{
	// checks
	"healthcheck": {"check", "checks"}, "healthchecks": {"checks", "check"}, "monitor": {"check", "checks"},
	"monitors": {"checks", "check"}, "servicetypes": {"checks", "check"}, "servicetype": {"check"}, "probe": {"check"}, "probes": {"checks"},
	"healththreshold": {"fall"}, "failurethreshold": {"fall"}, "failthreshold": {"fall"}, "unhealthythreshold": {"fall"},
	"consecutivedown": {"fall"}, "downthresh": {"fall"}, "down": {"fall"}, "minimumfailures": {"fall"}, "failures": {"fall"},
	"maxfails": {"fall"}, "retries": {"fall"}, "failafter": {"fall"},
	"successthreshold": {"rise"}, "healthythreshold": {"rise"}, "consecutiveup": {"rise"}, "upthresh": {"rise"}, "up": {"rise"},
	"okthresh": {"clear"}, "successes": {"rise"}, "period": {"interval"}, "frequency": {"interval"}, "every": {"interval"},
	"scrapeinterval": {"interval"}, "intervalseconds": {"interval"}, "timeoutseconds": {"timeout"}, "fastinter": {"fast_interval"},
	"retryinterval": {"fast_interval"}, "url": {"path"}, "urlpath": {"path"}, "uri": {"path"}, "endpoint": {"path"}, "resourcepath": {"path"},
	"vhost": {"host"}, "hostheader": {"host"}, "hostname": {"host"}, "fqdn": {"host"}, "header": {"headers"}, "verb": {"method"},
	"expectstatus": {"expect"}, "expectedcodes": {"status", "expect"}, "expectedstatus": {"status", "expect"}, "okcodes": {"status", "expect"},
	"code": {"status", "rcode"}, "codes": {"status"}, "stringmatch": {"body", "text", "expect"}, "expectedbody": {"body", "expect"}, "contains": {"body", "text"},
	"searchstring": {"body", "expect"}, "regexp": {"body_regex", "regex"}, "latency": {"max_latency"},
	"servername": {"sni"}, "tlsskipverify": {"insecure"}, "allowinsecure": {"insecure"}, "insecureskipverify": {"insecure"}, "skipverify": {"insecure"},
	"cacert": {"ca_file"}, "cafile": {"ca_file"}, "ca": {"ca_file"}, "kind": {"type"}, "protocol": {"type"}, "proto": {"type"}, "plugin": {"type"},
	"qname": {"name"}, "qtype": {"rrtype"}, "querytype": {"rrtype"}, "inherits": {"extends"}, "template": {"extends"}, "base": {"extends"},
	"consensus": {"quorum"}, "voters": {"quorum"}, "ip": {"address"},
	// pools and their targets
	"origins": {"targets"}, "backends": {"targets"}, "members": {"targets"}, "endpoints": {"targets"}, "values": {"targets", "data"},
	"servers": {"targets"}, "nodes": {"targets"}, "addresses": {"address", "targets"}, "hosts": {"targets"}, "sets": {"targets"}, "upstreams": {"targets"},
	"target": {"targets"}, "addr": {"address"}, "addrs": {"address"}, "ips": {"address"}, "ipaddress": {"address"}, "value": {"address", "data"},
	"mode": {"policy"}, "strategy": {"policy"}, "selector": {"policy"}, "routingpolicy": {"policy"}, "steeringpolicy": {"policy"}, "algorithm": {"policy"},
	"lbmethod": {"policy"}, "fallbackpool": {"fallback"}, "backup": {"fallback"}, "failover": {"fallback"}, "backupselector": {"when_all_down"},
	"failopen": {"when_all_down"}, "onalldown": {"when_all_down"}, "alldown": {"when_all_down"}, "failbackdelay": {"failback"}, "hold": {"failback"},
	"prio": {"priority"}, "order": {"priority"}, "ratio": {"weight"}, "maxrecords": {"max_answers"}, "return": {"max_answers"}, "numberrecords": {"max_answers"},
	"minup": {"min_healthy"}, "minimumorigins": {"min_healthy"}, "minhealthy": {"min_healthy"}, "upthreshold": {"min_healthy"},
	"status": {"state"}, "adminstate": {"state"}, "enabled": {"state"}, "disabled": {"state"}, "recordttl": {"ttl"}, "dnsttl": {"ttl"},
	"mintll": {"min"}, "minttl": {"minimum", "min"}, "maxttl": {"max"}, "id": {"name"}, "label": {"name"},
	// records and zones
	"origin": {"zone"}, "domain": {"zone"}, "zonename": {"zone"}, "name": {"zone"}, "nameservers": {"ns"}, "nameserver": {"ns"}, "record": {"records"}, "rrsets": {"records"},
	"defaultttl": {"ttl"}, "routes": {"rules"}, "rule": {"rules"}, "subnet": {"subnets"}, "cidr": {"subnets"}, "cidrs": {"subnets"}, "prefixes": {"subnets"},
	"networks": {"subnets"}, "clientsubnet": {"ecs"}, "rdata": {"data"}, "content": {"data"}, "pools": {"pool"}, "test": {"tests"},
	"primary": {"mname"}, "master": {"mname"}, "hostmaster": {"rname"}, "email": {"rname"}, "contact": {"rname"}, "negativettl": {"minimum"}, "ncache": {"minimum"},
	"nxdomainttl": {"minimum"}, "match": {"subnets"},
}
