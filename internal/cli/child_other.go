//go:build !linux

package cli

import (
	"os/exec"
	"syscall"
)

// group returns a function that sends a signal to cmd.
func group(cmd *exec.Cmd) func(syscall.Signal) error {
	return func(s syscall.Signal) error { return cmd.Process.Signal(s) }
}
