package node

import (
	"testing"
	"time"

	"vitalns/zones"
)

// The line for `dig CH TXT NAME` is there for what is served, and for nothing else.
func TestOneLine(t *testing.T) {
	bubble(t, func(b *lab) {
		b.start(Config{StartGrace: time.Second})
		time.Sleep(2 * time.Second)
		for name, want := range map[string]bool{"www.example.org.": true, "example.org.": true, "nx.example.org.": true, "authors.bind.": false, "org.": false, ".": false} {
			n, err := zones.ParseName(name)
			if err != nil {
				t.Fatal(err)
			}
			if line := b.node.oneLine(n); (line != "") != want {
				t.Errorf("%s: got %q", name, line)
			}
		}
		b.end()
	})
}
