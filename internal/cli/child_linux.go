package cli

import (
	"os/exec"
	"syscall"
)

// group puts what cmd starts into a process group of its own, unless it reads from a terminal, which only the group of kv
// may. The kernel kills cmd when kv dies. The returned function sends a signal to all of the group.
func group(cmd *exec.Cmd) func(syscall.Signal) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !isTerminal(cmd.Stdin), Pdeathsig: syscall.SIGKILL}
	return func(s syscall.Signal) error {
		if !cmd.SysProcAttr.Setpgid {
			return cmd.Process.Signal(s)
		}
		return syscall.Kill(-cmd.Process.Pid, s)
	}
}
