//go:build unix && !linux

package child

import "syscall"

// Attributes keeps Ctrl-C away from a process, which is for its parent to handle, and on Linux kills it when its parent
// is killed.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
