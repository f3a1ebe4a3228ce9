package proc

import "syscall"

// attributes starts a process in a group of its own, so that Ctrl-C reaches only its parent, and has the kernel kill it
// when its parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
