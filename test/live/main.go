package live

import (
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// Main is the TestMain of a package whose tests run vitalns: it builds it, runs the tests by m, the Run of a
// testing.M, and fails if they leave goroutines behind. It returns the exit code; program is where the tests
// find the binary meanwhile.
func Main(program *string, m func() int) int {
	dir, built, err := Build()
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*program = built
	code := m()
	// Connections that net/http keeps for later are no leak.
	if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
