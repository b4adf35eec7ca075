package interop

import (
	"os/exec"
	"testing"
)

// checkedZone is the zone that delegation checkers look at, below a root and a parent of its own. The
// addresses are public ones, for they object to others; in the namespace they lead nowhere else.
const checkedZone = "checked.test."

// checkedServers are the addresses of its name servers.
var checkedServers = [][]string{{"45.60.1.53", "2a0a:1::53"}, {"45.61.1.53", "2a0b:1::53"}}

// addAddresses gives the loopback interface of a namespace all addresses of the test.
func addAddresses(t *testing.T) {
	t.Helper()
	ip := tool(t, "ip", "iproute2")
	commands := [][]string{{"link", "set", "lo", "up"}}
	for _, net := range []string{"45.60.1.", "45.61.1."} {
		for _, host := range []string{"1", "2", "53"} {
			commands = append(commands, []string{"address", "add", net + host + "/32", "dev", "lo"})
		}
	}
	for _, net := range []string{"2a0a:1::", "2a0b:1::"} {
		for _, host := range []string{"1", "2", "53"} {
			commands = append(commands, []string{"address", "add", net + host + "/128", "dev", "lo", "nodad"})
		}
	}
	for _, args := range commands {
		if out, err := exec.Command(ip, args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
}

const rootHints = `
. 3600000 NS a.root.
. 3600000 NS b.root.
a.root. 3600000 A 45.60.1.1
a.root. 3600000 AAAA 2a0a:1::1
b.root. 3600000 A 45.61.1.1
b.root. 3600000 AAAA 2a0b:1::1
`

const rootZone = `
$TTL 3600
. SOA a.root. admin.root. 1 7200 900 1209600 300
. NS a.root.
. NS b.root.
a.root. A 45.60.1.1
a.root. AAAA 2a0a:1::1
b.root. A 45.61.1.1
b.root. AAAA 2a0b:1::1
test. NS a.nic.test.
test. NS b.nic.test.
a.nic.test. A 45.60.1.2
a.nic.test. AAAA 2a0a:1::2
b.nic.test. A 45.61.1.2
b.nic.test. AAAA 2a0b:1::2
53.1.60.45.in-addr.arpa. PTR ns1.checked.test.
53.1.61.45.in-addr.arpa. PTR ns2.checked.test.
3.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.a.0.a.2.ip6.arpa. PTR ns1.checked.test.
3.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.b.0.a.2.ip6.arpa. PTR ns2.checked.test.
`

const parentZone = `
$TTL 3600
@ SOA a.nic admin.nic 1 7200 900 1209600 300
@ NS a.nic
@ NS b.nic
a.nic A 45.60.1.2
a.nic AAAA 2a0a:1::2
b.nic A 45.61.1.2
b.nic AAAA 2a0b:1::2
checked NS ns1.checked
checked NS ns2.checked
ns1.checked A 45.60.1.53
ns1.checked AAAA 2a0a:1::53
ns2.checked A 45.61.1.53
ns2.checked AAAA 2a0b:1::53
`

// checkedMaster is the zone as NSD has it, written as its checkers like it.
const checkedMaster = `
$TTL 3600
@ SOA ns1 hostmaster 2026010101 14400 3600 1209600 3600
@ NS ns1
@ NS ns2
@ A 45.60.1.80
@ MX 10 mail
@ TXT "v=spf1 mx -all"
ns1 A 45.60.1.53
ns1 AAAA 2a0a:1::53
ns2 A 45.61.1.53
ns2 AAAA 2a0b:1::53
mail A 45.60.1.25
mail AAAA 2a0a:1::25
www A 45.60.1.80
www AAAA 2a0a:1::80
`

// checkedTOML is the same zone as people write it here: an SOA of defaults, and pools.
const checkedTOML = `
zone = "checked.test"
ns   = { ns1 = ["45.60.1.53", "2a0a:1::53"], ns2 = ["45.61.1.53", "2a0b:1::53"] }
[pools.web]
policy  = "failover"
targets = [{ name = "a", address = ["45.60.1.80", "2a0a:1::80"] }, { name = "b", address = ["45.61.1.80", "2a0b:1::80"] }]
[pools.apex]
targets = [{ name = "a", address = "45.60.1.80" }]
[records."@"]
pool = "apex"
MX   = "10 mail"
TXT  = "v=spf1 mx -all"
[records.mail]
A    = "45.60.1.25"
AAAA = "2a0a:1::25"
[records.www]
pool = "web"
`
