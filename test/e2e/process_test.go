package e2e_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// patience bounds everything that should take almost no time, on a busy machine.
const patience = time.Minute

// process is a program that a test has started.
type process struct{ *proc.Process }

// start starts the binary under test and waits until it listens. The process is killed at the end of the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, env, kv, args...)
}

func startCommand(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := launch(t, env, name, args...)
	if err := p.WaitListening(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// launch starts a command in the repository's root. It is killed at the end of the test, with all that it has started.
func launch(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	return launchCommand(t, proc.Command{Path: name, Args: args, Env: env, Dir: repository})
}

func launchCommand(t *testing.T, c proc.Command) *process {
	t.Helper()
	p, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(beforeDeadline(t), func() { _ = p.Kill() })
	t.Cleanup(func() {
		stop()
		_ = p.Kill() // it may have ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", p, p.Out, p.Log)
		}
	})
	return &process{p}
}

// beforeDeadline returns a context that ends shortly before the test binary would panic and leave processes behind.
func beforeDeadline(t *testing.T) context.Context {
	deadline, ok := t.Deadline()
	if !ok {
		return context.WithoutCancel(t.Context())
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(t.Context()), deadline.Add(-10*time.Second))
	t.Cleanup(cancel)
	return ctx
}

// stop sends SIGTERM, waits until the process has ended and returns its exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	return p.end(t, syscall.SIGTERM)
}

// end sends a signal, waits until the process has ended and returns its exit code.
func (p *process) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	if err := p.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

// wait waits until the process has ended and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.Exited():
		return p.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s is still running\n%s%s", p, p.Out, p.Log)
		return 0
	}
}

// logs waits until pattern matches what the process writes to standard error.
func (p *process) logs(t *testing.T, pattern string) {
	t.Helper()
	if _, err := p.WaitFor(t.Context(), p.Log, pattern); err != nil {
		t.Fatal(err)
	}
}

// prints waits until pattern matches what the process writes to standard output, and returns its group.
func (p *process) prints(t *testing.T, pattern string) string {
	t.Helper()
	match, err := p.WaitFor(t.Context(), p.Out, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return match
}

// client runs a client command to its end.
func client(t *testing.T, env []string, stdin string, args ...string) proc.Result {
	t.Helper()
	c := proc.KV(kv, env, args...)
	c.Stdin = strings.NewReader(stdin)
	return ran(t, c)
}

// shell runs a bash command in the repository's root.
func shell(t *testing.T, line string) proc.Result {
	t.Helper()
	return ran(t, proc.Command{Path: "bash", Args: []string{"-c", line}, Dir: repository})
}

// ran runs a command to its end.
func ran(t *testing.T, c proc.Command) proc.Result {
	t.Helper()
	r, err := c.Run(beforeDeadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
