package proc

import (
	"errors"
	"os"
	"syscall"
)

// attributes starts a process in a group of its own, so that Ctrl-C reaches only its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// signal supports only SIGKILL on Windows.
func signal(p *os.Process, s syscall.Signal) error { return p.Signal(s) }

func pause(*os.Process) error  { return errors.ErrUnsupported }
func resume(*os.Process) error { return errors.ErrUnsupported }
