//go:build !linux

package live

import "syscall"

// dieWithParent has no way here to tie a child to this process: Close ends it.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
