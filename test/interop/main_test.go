package interop

import (
	"os"
	"testing"
	"time"

	"vitalns/test/live"
)

// program is vitalns, built once by TestMain.
var program string

// patience is how long a test waits for what must come, far above what it takes on a busy machine.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(live.Main(&program, m.Run))
}
