package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// runDelay is how long Run waits for output that others still hold open when the program itself has ended.
const runDelay = 3 * time.Second

// Result is what a program that ended by itself left.
type Result struct {
	Code     int // -1: it was ended by a signal
	Out, Err string
}

// Run runs the program to its end. An exit code is a result, not an error. When ctx is done it kills the program and fails.
func (c Command) Run(ctx context.Context) (Result, error) {
	var out, log bytes.Buffer
	cmd := c.cmd()
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &log, runDelay
	if err := cmd.Start(); err != nil {
		return Result{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = signal(cmd.Process, syscall.SIGKILL) })
	err := cmd.Wait()
	r := Result{cmd.ProcessState.ExitCode(), out.String(), log.String()}
	if !stop() {
		return r, fmt.Errorf("%s: %w\n%s%s", c, context.Cause(ctx), r.Out, r.Err)
	}
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		return r, fmt.Errorf("%s: %w", c, err)
	}
	return r, nil
}

// Output runs the program to its end and returns its standard output. It fails unless the exit code is 0.
func (c Command) Output(ctx context.Context) (string, error) {
	r, err := c.Run(ctx)
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", fmt.Errorf("%s: exit code %d\n%s", c, r.Code, strings.TrimSpace(r.Out+r.Err))
	}
	return r.Out, nil
}
