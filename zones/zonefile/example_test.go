package zonefile_test

import (
	"fmt"
	"os"
	"time"

	"vitalns/zones/zonefile"
)

// Another file of TOML is read with a table of its own keys; its problems look like those of a zone.
func ExampleParse() {
	doc := zonefile.Parse(zonefile.File{Path: "node.toml", Text: []byte(`node = "ns1"
start_grace = 5
[dns]
lisen = "192.0.2.53:53"
udp_size = 100
`)})
	var name string
	grace, size := 5*time.Second, 1232
	listen := []string{"127.0.0.1:5300"}

	root := doc.Root(zonefile.Keys{Names: []string{"node", "start_grace", "dns"}})
	root.Get("node").Text(&name)
	root.Get("start_grace").Duration(&grace, 0, time.Minute)
	dns := root.Get("dns").Table("[dns]", zonefile.Keys{Names: []string{"listen", "udp_size"}})
	dns.Get("listen").Texts(&listen)
	dns.Get("udp_size").Int(&size, 512, 4096)

	fmt.Println(name, grace, listen, size)
	_ = doc.Problems().Sort(nil).Format(os.Stdout)
	// Output:
	// ns1 5s [127.0.0.1:5300] 1232
	// node.toml:2:15: error: start_grace wants a duration, not an integer
	//     2 | start_grace = 5
	//       |               ^
	//    hint: write start_grace = "5s"
	// node.toml:4:1: error: unknown key "lisen" in [dns]
	//     4 | lisen = "192.0.2.53:53"
	//       | ^^^^^
	//    hint: did you mean `listen`?
	// node.toml:5:12: error: [dns]: udp_size must be from 512 to 4096, not 100
	//     5 | udp_size = 100
	//       |            ^^^
	// 3 errors, 0 warnings
}
