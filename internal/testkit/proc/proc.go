// Package proc starts programs for tests, benchmarks and deploy/cluster, waits until they are ready, and ends them.
//
// Each program runs in a process group of its own: Ctrl-C reaches only the program that started it, and a signal reaches
// what it has started in turn. On Linux, a program that is still running is killed when its parent dies.
//
// Programs do not inherit KV_ variables, which would change how the store behaves.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startPatience is how long a program may take until it is ready, on a busy machine that compiles it first.
const startPatience = 2 * time.Minute

// Listening matches the log line of a server that accepts connections. Its group is the address.
const Listening = `msg=listening addr=(\S+)\s`

// Command says what to run.
type Command struct {
	// Path is the program: a file, or a name to look up in PATH.
	Path string
	Args []string
	// Env is added to this process's environment, of which the KV_ variables are left out.
	Env []string
	// Dir is the working directory. Empty: this process's.
	Dir string
	// Stdin is what the program reads. Nil: Process.Stdin for [Command.Start], and nothing for [Command.Run].
	Stdin io.Reader
	// Stdout is where standard output goes, for a reader of its own. Nil: Process.Out.
	Stdout *os.File
	// Log receives a copy of standard error. Nil: none is made.
	Log io.Writer
	// Files are open files that the program inherits as descriptors 3, 4 and so on.
	Files []*os.File
}

// KV returns the command that runs the kv in file.
func KV(file string, env []string, args ...string) Command {
	return Command{Path: file, Args: args, Env: env}
}

// String returns the command line.
func (c Command) String() string {
	return strings.Join(append([]string{filepath.Base(c.Path)}, c.Args...), " ")
}

// environment returns this process's environment without KV_ variables, and with env.
func environment(env ...string) []string {
	var all []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KV_") {
			all = append(all, variable)
		}
	}
	return append(all, env...)
}

func (c Command) cmd() *exec.Cmd {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr, cmd.Stdin, cmd.ExtraFiles = c.Dir, environment(c.Env...), attributes(), c.Stdin, c.Files
	return cmd
}

// Process is a program that was started.
type Process struct {
	// Addr is where the program listens, once [Process.WaitListening] has returned.
	Addr string
	// Out holds what the program wrote to standard output.
	Out *Output
	// Log holds what the program wrote to standard error.
	Log *Output
	// Stdin is the program's standard input. It stays open until the caller closes it or the program ends.
	Stdin io.WriteCloser

	command Command
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the program has ended and its output is read
}

// Start starts the program and returns at once. The caller must end it, or start it in a [Group] and end that.
func (c Command) Start() (*Process, error) {
	p := &Process{Out: &Output{}, Log: &Output{}, command: c, cmd: c.cmd(), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.Out, p.Log
	if c.Stdout != nil {
		p.cmd.Stdout = c.Stdout
	}
	if c.Log != nil {
		p.cmd.Stderr = io.MultiWriter(p.Log, c.Log)
	}
	if c.Stdin == nil {
		var err error
		if p.Stdin, err = p.cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the exit code stays in ProcessState
		close(p.exited)
	}()
	return p, nil
}

// String returns the command line.
func (p *Process) String() string { return p.command.String() }

// Pid returns the process id. For a process that has ended, it returns the id that it had.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited returns a channel that is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// State says how the program ended. It is nil while the program runs.
func (p *Process) State() *os.ProcessState {
	if p.Running() {
		return nil
	}
	return p.cmd.ProcessState
}

// ExitCode returns the exit code of a program that has ended, or -1 if a signal ended it or it is still running.
func (p *Process) ExitCode() int { return p.State().ExitCode() }

// WaitListening waits until the program logs where it listens, and sets Addr.
func (p *Process) WaitListening(ctx context.Context) error {
	addr, err := p.WaitFor(ctx, p.Log, Listening)
	if err != nil {
		return err
	}
	p.Addr = addr
	return nil
}

// WaitFor waits until pattern matches o, which is p.Out or p.Log, and returns the match as [Output.Find] does. It fails if
// the program ends without one, after 2 minutes, or when ctx is done.
func (p *Process) WaitFor(ctx context.Context, o *Output, pattern string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("no output matches %s after %v", pattern, startPatience))
	defer cancel()
	ended, end := context.WithCancel(ctx)
	defer end()
	go func() {
		select {
		case <-p.exited:
			end()
		case <-ended.Done():
		}
	}()
	if match, ok := o.Find(ended, pattern); ok {
		return match, nil
	}
	if match, ok := o.match(pattern); ok { // it was the last that the program wrote
		return match, nil
	}
	return "", p.failed(ctx)
}

// WaitReady calls probe until it succeeds. It fails if the program ends first, after 2 minutes, or when ctx is done.
func (p *Process) WaitReady(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("not ready after %v", startPatience))
	defer cancel()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.failed(ctx)
		case <-ctx.Done():
			return errors.Join(p.failed(ctx), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// failed says why a wait for the program ended early: it is no longer running, or ctx is done.
func (p *Process) failed(ctx context.Context) error {
	why := context.Cause(ctx)
	if state := p.State(); state != nil {
		why = fmt.Errorf("ended with %v", state)
	}
	return fmt.Errorf("%s: %w\n%s%s", p, why, p.Out.tail(), p.Log.tail())
}

// Signal sends a signal to the program and what it has started. It returns [os.ErrProcessDone] if the program has ended.
func (p *Process) Signal(s syscall.Signal) error {
	return p.unlessDone(func() error { return signal(p.cmd.Process, s) })
}

// Pause stops the program where it is, as SIGSTOP does: its connections stay open, and it answers nothing.
func (p *Process) Pause() error { return p.unlessDone(func() error { return pause(p.cmd.Process) }) }

// Continue lets a paused program continue.
func (p *Process) Continue() error {
	return p.unlessDone(func() error { return resume(p.cmd.Process) })
}

func (p *Process) unlessDone(act func() error) error {
	if !p.Running() {
		return os.ErrProcessDone
	}
	return act()
}

// Stop sends SIGTERM and waits. It fails unless the program ends with exit code 0 within patience, and kills it after that.
// If the program has already ended it returns [os.ErrProcessDone].
func (p *Process) Stop(patience time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("%s: still running %v after SIGTERM", p, patience), p.Kill())
	}
	if !p.State().Success() {
		return fmt.Errorf("%s: ended with %v after SIGTERM\n%s", p, p.State(), p.Log.tail())
	}
	return nil
}

// Kill kills the program with what it has started, even if it is paused, and waits for its end. If the program has already
// ended it returns [os.ErrProcessDone].
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}
