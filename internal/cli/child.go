package cli

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// findCommand checks that there is a program with this name.
func findCommand(name string) error {
	_, err := exec.LookPath(name)
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return usageError{fmt.Errorf("cannot run %q: %w", name, err)}
	}
	return nil
}

// commandError is the error of a command that kv ran and that failed. Its code becomes that of kv.
type commandError struct {
	error
	code int
}

// commandCode returns the exit code of a command, as a shell has it.
func commandCode(failed *exec.ExitError) int {
	if status, ok := failed.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return failed.ExitCode()
}

// inherited returns the stream that a command gets in place of ours: the terminal itself, if it is one.
func inherited(out io.Writer) io.Writer {
	if t, ok := out.(*terminal); ok {
		return t.Writer
	}
	return out
}
