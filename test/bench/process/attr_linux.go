package process

import "syscall"

// Attributes keep Ctrl-C from reaching the child, which is ended in an orderly way instead, and end it should
// this process be killed.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
