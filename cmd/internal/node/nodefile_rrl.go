package node

import (
	"fmt"
	"net/netip"
	"strings"

	"vitalns/dnsserver/edge"
	"vitalns/zones/zonefile"
)

// FileRRL is the [dns.rrl] of a node file. Its Table lasts as long as the process; the rest may change
// with a reload.
type FileRRL struct {
	Enabled bool
	edge.Limits
	Table edge.Table
}

// Rates that no resolver meets: a large one asks a zone some hundred questions a second, from many
// prefixes, and repeats none within the TTL. Names that do not exist are half of that, and nobody has a
// reason for a hundred errors a second. 24 and 56 bits are the least that is given to one customer or
// routed by itself; who can forge one address of it can forge all.
func defaultRRL() FileRRL {
	return FileRRL{
		Enabled: true,
		Limits: edge.Limits{
			Rates:  [edge.Classes]int{edge.Positive: 1000, edge.NoData: 1000, edge.NXDomain: 500, edge.Failure: 100},
			Slip:   2,
			Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
		Table: edge.Table{Accounts: edge.DefaultAccounts, IPv4: 24, IPv6: 56},
	}
}

// maxExempt bounds the list of exempt prefixes; maxSlip what a slip may be.
const (
	maxExempt = 1000
	maxSlip   = 100
)

const (
	noWindow = "leave it out: an account saves up one second of its rate"
	noAll    = "set positive, nodata, nxdomain and error: each limits its kind of response"
)

var rrlKeys = zonefile.Keys{
	Names: []string{"enabled", "positive", "nodata", "nxdomain", "error", "slip", "exempt", "ipv4_prefix", "ipv6_prefix", "table_size"},
	Later: map[string]string{
		"window": noWindow, "instant-limit": noWindow, "instant_limit": noWindow, "all-per-second": noAll, "all_per_second": noAll,
		"log-only": "leave it out: set rates that nobody meets and look at the metrics", "log_only": "leave it out: set rates that nobody meets and look at the metrics",
		"qps-scale": "leave it out: rates do not depend on load", "qps_scale": "leave it out: rates do not depend on load",
		"rrl-whitelist-ratelimit": "leave it out: what is in `exempt` has no limit",
	},
	Foreign: map[string]string{
		"enable": "enabled", "on": "enabled",
		"responsespersecond": "positive", "ratelimit": "positive", "rrlratelimit": "positive", "limit": "positive", "rate": "positive", "responses": "positive",
		"nodatapersecond": "nodata", "referralspersecond": "nodata", "referral": "nodata", "referrals": "nodata",
		"nxdomainspersecond": "nxdomain", "nxdomains": "nxdomain", "errorspersecond": "error", "errors": "error",
		"rrlslip": "slip", "ratelimitslip": "slip", "slipratio": "slip",
		"exemptclients": "exempt", "whitelist": "exempt", "ratelimitwhitelist": "exempt", "rrlwhitelist": "exempt", "allow": "exempt", "allowlist": "exempt",
		"ipv4prefixlength": "ipv4_prefix", "rrlipv4prefixlength": "ipv4_prefix", "ipv6prefixlength": "ipv6_prefix", "rrlipv6prefixlength": "ipv6_prefix",
		"maxtablesize": "table_size", "mintablesize": "table_size", "tablesize": "table_size", "rrlsize": "table_size", "ratelimittablesize": "table_size", "size": "table_size",
	},
}

// rrlForeign are names that other programs have for what stands in [dns.rrl].
var rrlForeign = map[string]string{
	"ratelimit": "rrl", "ratelimiting": "rrl", "responseratelimiting": "rrl", "rrlratelimit": "rrl", "rrlsize": "rrl", "rrlslip": "rrl",
	"modrrl": "rrl", "responsespersecond": "rrl", "limits": "rrl",
}

func (f *File) parseRRL(v *zonefile.Value) {
	t := v.Table("[dns.rrl]", rrlKeys)
	if t == nil {
		return
	}
	t.Get("enabled").Flag(&f.RRL.Enabled)
	for c := range edge.Classes {
		t.Get(c.String()).Int(&f.RRL.Rates[c], 0, edge.MaxRate)
	}
	t.Get("slip").Int(&f.RRL.Slip, 0, maxSlip)
	if e := t.Get("exempt"); e != nil {
		f.RRL.Exempt = nil
		for _, item := range e.List() {
			var p netip.Prefix
			if item.Prefix(&p) {
				f.RRL.Exempt = append(f.RRL.Exempt, p)
			}
		}
		if len(f.RRL.Exempt) > maxExempt {
			e.Error("", "%d prefixes: at most %d may be exempt", len(f.RRL.Exempt), maxExempt)
		}
	}
	t.Get("ipv4_prefix").Int(&f.RRL.Table.IPv4, 8, 32)
	t.Get("ipv6_prefix").Int(&f.RRL.Table.IPv6, 16, 64)
	t.Get("table_size").Int(&f.RRL.Table.Accounts, edge.MinAccounts, edge.MaxAccounts)
}

// limits are the limits that the file asks for.
func (r FileRRL) limits() edge.Limits {
	if !r.Enabled {
		return edge.Limits{}
	}
	return r.Limits
}

// diffRRL says how the limits differ, as far as a reload applies them.
func diffRRL(a, b FileRRL) []string {
	settings := func(r FileRRL) []setting {
		all := []setting{{"enabled", fmt.Sprint(r.Enabled)}, {"slip", fmt.Sprint(r.Slip)}}
		for c, rate := range r.Rates {
			all = append(all, setting{edge.Class(c).String(), fmt.Sprint(rate)})
		}
		exempt := make([]string, len(r.Exempt))
		for i, p := range r.Exempt {
			exempt[i] = p.String()
		}
		return append(all, setting{"exempt", strings.Join(exempt, " ")})
	}
	if differs := changes(settings(a), settings(b)); differs != "" {
		return []string{"~ [dns.rrl]: " + differs}
	}
	return nil
}
