package node

import (
	"slices"
	"strings"
	"testing"

	"vitalns/checks"
	"vitalns/checks/probe"
	"vitalns/zones"
	"vitalns/zones/zonefile"
)

func sourceOf(t *testing.T, text string) []*zones.Source {
	t.Helper()
	head := "zone = \"example.org\"\nns = { ns1 = \"192.0.2.53\", ns2 = \"198.51.100.53\" }\n"
	sources, problems := zonefile.Load([]zonefile.File{{Path: "z.toml", Text: []byte(head + text)}}, zonefile.Options{Env: new(probe.Env), Nodes: 1})
	if problems.Errors() > 0 {
		t.Fatalf("zone: %v", problems)
	}
	return sources
}

func TestDiffSources(t *testing.T) {
	web := `
[checks.web]
type = "http"
host = "www"
[pools.web]
check = "web"
targets = [{ name = "a", address = "192.0.2.1" }, { name = "b", address = "192.0.2.2" }]
[records.www]
pool = "web"
`
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", web, web, []string{}},
		{"comments and spaces", web, "# hello\n" + web, []string{}},
		{"how it is judged", web, strings.Replace(web, `host = "www"`, "host = \"www\"\nfall = 5\nrise = 3\nquorum = \"any\"", 1),
			[]string{"~ check example.org/web: fall 3 -> 5, rise 2 -> 3, quorum majority -> any"}},
		{"what is probed", web, strings.Replace(web, `host = "www"`, "host = \"www\"\npath = \"/x\"", 1),
			[]string{"~ check example.org/web: what is probed differs: verdicts are kept, stale, until it has been probed anew"}},
		{"the timeout", web, strings.Replace(web, `host = "www"`, "host = \"www\"\ntimeout = \"2s\"", 1),
			[]string{"~ check example.org/web: timeout 1.2s -> 2s"}},
		{"a port", web, strings.Replace(web, `host = "www"`, "host = \"www\"\nport = 8080", 1),
			[]string{
				"~ check example.org/web: what is probed differs: verdicts are kept, stale, until it has been probed anew",
				"~ target example.org/web/a: probe http 192.0.2.1:80 -> http 192.0.2.1:8080",
				"~ target example.org/web/b: probe http 192.0.2.2:80 -> http 192.0.2.2:8080",
			}},
		{"targets", web, strings.Replace(web, `{ name = "b", address = "192.0.2.2" }`, `{ name = "c", address = ["192.0.2.3", "2001:db8::3"] }`, 1),
			[]string{"- target example.org/web/b 192.0.2.2", "+ target example.org/web/c 192.0.2.3 2001:db8::3"}},
		{"a pool", web, strings.Replace(web, `check = "web"`, "check = \"web\"\npolicy = \"weighted\"\nttl = { min = \"5s\", max = \"1m\" }\nwhen_all_down = \"nodata\"", 1),
			[]string{"~ pool example.org/web: policy failover -> weighted, max_answers 0 -> 1, when_all_down serve-all (default) -> nodata, ttl 30s -> 5s..1m"}},
		{"records", "[records.a]\nTXT = \"x\"\n[records.b]\nA = \"192.0.2.1\"\n", "[records.b]\nA = { ttl = \"1d\", data = [\"192.0.2.1\", \"192.0.2.2\"] }\n[records.c]\nCNAME = \"b\"\n",
			[]string{`- record a.example.org TXT "x"`, "~ record b.example.org A: data 192.0.2.1 -> 192.0.2.1, 192.0.2.2, ttl 1h -> 24h", "+ record c.example.org CNAME b.example.org."}},
		{"another pool for a record", web + "[pools.two]\ntargets = [{ name = \"x\", address = \"192.0.2.9\" }]\n",
			strings.Replace(web, `pool = "web"`, `pool = "two"`, 1) + "[pools.two]\ntargets = [{ name = \"x\", address = \"192.0.2.9\" }]\n",
			[]string{"~ record www.example.org: pool web -> pool two"}},
		{"an ALIAS", web + "[records.\"@\"]\nALIAS = \"www\"\n[records.x]\nALIAS = \"www\"\n", web + "[records.\"@\"]\nALIAS = \"ns1\"\nttl = 60\n",
			[]string{"~ record example.org ALIAS: data www.example.org. -> ns1.example.org., ttl 1h -> 1m", "- record x.example.org ALIAS www.example.org."}},
		{"hosts", mailHosts + "[records.b]\nMX = { pool = \"mail\" }\n", mailHosts + "[records.b]\nMX = [{ pool = \"mail\", preference = 5 }, \"90 ns1\"]\n[records._s]\nSRV = { pool = \"mail\", port = 25 }\n",
			[]string{"+ record _s.example.org SRV 0 port 25 pool mail", "~ record b.example.org MX: data 10 pool mail -> 5 pool mail, 90 ns1.example.org."}},
		{"many", "", manyRecords(8), []string{"+ record many.example.org A 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, ... 3 more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := diffSources(sourceOf(t, tt.old), sourceOf(t, tt.new))
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func manyRecords(n int) string {
	var b strings.Builder
	b.WriteString("[records.many]\nA = [")
	for i := range n {
		b.WriteString(`"192.0.2.` + string(rune('1'+i)) + `",`)
	}
	b.WriteString("]\n")
	return b.String()
}

// Above its bound a list of changes counts what it leaves out.
func TestChangeListIsBounded(t *testing.T) {
	var c changeList
	for i := range maxChanges + 5 {
		c.add("+ record %d", i)
	}
	all := c.all()
	if len(all) != maxChanges+1 || all[maxChanges] != "~ and 5 more changes" {
		t.Errorf("%d lines, the last %q", len(all), all[len(all)-1])
	}
}

func TestSerialChanges(t *testing.T) {
	got := serialChanges(map[string]uint32{"a": 1, "b": 2, "gone": 3}, map[string]uint32{"a": 1, "b": 3, "new": 7})
	want := []string{"zone b serial 2 -> 3", "zone new serial 7"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

const mailHosts = `
[pools.mail]
policy  = "all"
targets = [{ name = "a", cname = "mx1.example.net." }, { name = "b", cname = "mx2.example.net." }]
`

// What is answered by way of an ALIAS, and by hosts that pools choose, shows as what pools answer does.
func TestDiffAnswers(t *testing.T) {
	text := mailHosts + `
[pools.web]
targets = [{ name = "a", address = "192.0.2.1" }, { name = "b", address = "192.0.2.2" }]
[records.www]
pool = "web"
[records."@"]
ALIAS = "www"
[records.static]
ALIAS = "ns1"
[records.mx]
MX = [{ pool = "mail" }, "90 ns1"]
`
	table := func(text string) (*zones.Table, []*zones.Source) {
		sources := sourceOf(t, text)
		set, err := zones.Compile(sources)
		if err != nil {
			t.Fatal(err)
		}
		return zones.NewTable(set, &checks.Snapshot{}), sources
	}
	old, oldSources := table(text)
	next, nextSources := table(strings.NewReplacer("192.0.2.1\" }", "192.0.2.9\" }", "mx2.example.net", "mx3.example.net", `ALIAS = "ns1"`, `ALIAS = "www"`).Replace(text))
	got := diffAnswers(old, next, oldSources, nextSources)
	want := []string{
		"example.org A: 192.0.2.1 -> 192.0.2.9",
		"mx.example.org MX: 90 ns1.example.org., 10 mx1.example.net., 10 mx2.example.net. -> 90 ns1.example.org., 10 mx1.example.net., 10 mx3.example.net.",
		"static.example.org A: 192.0.2.53 -> 192.0.2.9",
		"www.example.org A: 192.0.2.1 -> 192.0.2.9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
