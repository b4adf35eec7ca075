package zones_test

import (
	"fmt"
	"strings"
	"testing"

	"vitalns/test/zonetest"
	"vitalns/zones"
)

// Lookup among as many names as stay in a cache.
func BenchmarkLookupAmongMany(b *testing.B) {
	const names = 8192
	text := new(strings.Builder)
	text.WriteString("$TTL 300\n@ SOA ns1 admin 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n")
	for i := range names {
		fmt.Fprintf(text, "h%d A 192.0.2.%d\n", i, i%256)
	}
	set := zonetest.Compile(b, zonetest.Master(b, "gslb.example.", text.String()))
	for _, kind := range []string{"h", "nx"} {
		asked := make([]zones.Name, names)
		for i := range asked {
			asked[i] = zonetest.Name(b, fmt.Sprintf("%s%d.gslb.example.", kind, i*7919%names))
		}
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Lookup(asked[i%names], 1)
			}
		})
	}
}
