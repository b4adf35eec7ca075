package sim

import "strings"

// head begins every zone here.
const head = `
zone = "example.org"
ns   = ["ns1.example.net."]
`

// twoTargets is active-passive with the defaults.
const twoTargets = head + `
[checks.web]
type = "tcp"
port = 80
[pools.web]
check   = "web"
targets = [{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }]
[records.www]
pool = "web"
`

const (
	lon = "192.0.2.1"
	fra = "192.0.2.2"
)

// sixTargets has pools of three policies with the defaults.
const sixTargets = head + `
[checks.web]
type = "tcp"
port = 80
[pools.web]
check   = "web"
targets = [{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }]
[pools.set]
check   = "web"
policy  = "all"
targets = [{ name = "a", address = "192.0.2.3" }, { name = "b", address = "192.0.2.4" }]
[pools.cdn]
check   = "web"
policy  = "hash"
targets = [{ name = "a", address = "192.0.2.5" }, { name = "b", address = "192.0.2.6" }]
[records.www]
pool = "web"
[records.set]
pool = "set"
[records.cdn]
pool = "cdn"
`

// quick is lon before fra, judged as fast as the bench does, with lines for the pool.
func quick(lines ...string) string {
	return head + `
[checks.web]
type = "tcp"
port = 80
interval = "1s"
timeout = "500ms"
fast_interval = "200ms"
fall = 2
[pools.web]
check   = "web"
targets = [{ name = "lon", address = "192.0.2.1" }, { name = "fra", address = "192.0.2.2" }]
` + strings.Join(lines, "\n") + `
[records.www]
pool = "web"
`
}
