//go:build !linux

package node

import "time"

// aside runs f as it is: only Linux has threads that stand back.
func aside(f func()) { f() }

// bootTime is nil: a suspended machine is not seen here, but for its clocks.
var bootTime func() time.Duration
