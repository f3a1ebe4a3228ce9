//go:build unix

package proc

import (
	"errors"
	"os"
	"syscall"
)

// signal signals the process group that p leads.
func signal(p *os.Process, s syscall.Signal) error {
	if err := syscall.Kill(-p.Pid, s); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return os.ErrProcessDone
}

func pause(p *os.Process) error  { return signal(p, syscall.SIGSTOP) }
func resume(p *os.Process) error { return signal(p, syscall.SIGCONT) }
