//go:build !linux

package process

import "syscall"

// Attributes keep Ctrl-C from reaching the child, which is ended in an orderly way instead.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
