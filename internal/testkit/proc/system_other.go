//go:build unix && !linux

package proc

import "syscall"

// attributes starts a process in a group of its own, so that Ctrl-C reaches only its parent.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
