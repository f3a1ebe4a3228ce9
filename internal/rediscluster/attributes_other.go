//go:build !linux

package rediscluster

import "syscall"

// attributes keeps Ctrl-C away from a node, which is for its program to handle.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
