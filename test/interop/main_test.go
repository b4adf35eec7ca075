package interop

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitalns/test/live"
)

// program is vitalns, built once by TestMain.
var program string

// patience is how long a test waits for what must come, far above what it takes on a busy machine.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, built, err := live.Build()
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = built
	code := m.Run()
	if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
