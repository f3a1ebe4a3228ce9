package rediscluster

import "syscall"

// attributes keeps Ctrl-C away from a node, which is for its program to handle, and ends the node with that program.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
