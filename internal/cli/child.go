package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// child is a command that kv runs.
type child struct {
	words    []string
	env      []string // beside that of kv
	in       io.Reader
	out, log io.Writer
	grace    time.Duration // from SIGTERM to SIGKILL; zero: SIGKILL at once
	together bool          // signals reach what the command has started, too, and it does not outlive kv, as far as the system can do so
}

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

// run runs the command to its end. When ctx ends, the command gets SIGTERM, and SIGKILL after the grace.
func (c child) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.words[0], c.words[1:]...)
	cmd.Env = slices.Concat(cmd.Environ(), c.env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.in, inherited(c.out), inherited(c.log)
	cmd.WaitDelay = c.grace
	send := func(s syscall.Signal) error { return cmd.Process.Signal(s) }
	if c.together {
		runtime.LockOSThread() // the command dies with the thread that started it
		defer runtime.UnlockOSThread()
		send = group(cmd)
	}
	cmd.Cancel = func() error {
		if c.grace > 0 && send(syscall.SIGTERM) == nil {
			return nil
		}
		return send(syscall.SIGKILL) // Windows has no SIGTERM
	}
	if err := cmd.Start(); err != nil && ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return usageError{fmt.Errorf("cannot run %q: %w", c.words[0], err)}
	}
	err := cmd.Wait()
	if c.together && ctx.Err() != nil {
		c.outlast(send)
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return commandError{fmt.Errorf("%s: %w", c.words[0], err), commandCode(failed)}
	}
	return err
}

// outlast waits for what the command has started and left behind, and kills it after the grace.
func (c child) outlast(send func(syscall.Signal) error) {
	const pause = 10 * time.Millisecond
	for end := time.Now().Add(c.grace); send(0) == nil && time.Now().Before(end); {
		time.Sleep(pause)
	}
	_ = send(syscall.SIGKILL)
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
