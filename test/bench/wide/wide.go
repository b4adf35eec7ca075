// Package wide writes zones of very many names.
//
// It knows one shape of master file; it refuses to know who reads it. Its one main call is Write.
package wide

import (
	"bufio"
	"errors"
	"fmt"
	"os"
)

// Write writes a master file, whose origin is its reader's to say, with so many names h0000000, h0000001, ...
// of one address each. The serial is last, and the first address ends in it: files that differ in it differ in
// little.
func Write(path string, names, last int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "$TTL 3600\n@ SOA ns1 hostmaster %d 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n", last)
	for i := range names {
		if i == 0 {
			fmt.Fprintf(w, "h0000000 A 192.0.2.%d\n", last)
			continue
		}
		fmt.Fprintf(w, "h%07d A 10.%d.%d.%d\n", i, i>>16&255, i>>8&255, i&255)
	}
	return w.Flush()
}
