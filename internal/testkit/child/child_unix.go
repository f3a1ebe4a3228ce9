//go:build unix

package child

import (
	"os"
	"syscall"
)

// Pause stops a process where it is.
func Pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// Continue has a paused process go on.
func Continue(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
