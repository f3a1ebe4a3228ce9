package child

import (
	"errors"
	"os"
	"syscall"
)

// Attributes keeps Ctrl-C away from a process, which is for its parent to handle.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Pause is not possible on Windows.
func Pause(*os.Process) error { return errors.ErrUnsupported }

// Continue is not possible on Windows.
func Continue(*os.Process) error { return errors.ErrUnsupported }
