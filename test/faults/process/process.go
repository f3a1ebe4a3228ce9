// Package process starts the store as real processes, for suites that break them.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startPatience is how long a process may take until it listens.
	startPatience = 20 * time.Second
	// stopPatience is how long a process may take to end when it was asked to.
	stopPatience = 30 * time.Second
)

// Process is a kv that serves.
type Process struct {
	Addr   string // where it listens
	args   []string
	cmd    *exec.Cmd
	out    *output
	exited chan struct{} // closed when it has ended
}

// Start runs kv with args, and waits until it listens.
func Start(ctx context.Context, kv string, env []string, args ...string) (*Process, error) {
	p := &Process{args: args, cmd: exec.Command(kv, args...), out: newOutput(), exited: make(chan struct{})}
	p.cmd.Env = append(environment(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	// A group of its own keeps Ctrl-C away, which is for the suite to handle. Should the suite be killed, so is kv.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // who waits looks at the state
		close(p.exited)
	}()
	timeout := time.After(startPatience)
	select {
	case p.Addr = <-p.out.listening:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("kv %s has ended: %s", args[0], p.out.tail())
	case <-timeout:
		return nil, errors.Join(fmt.Errorf("kv %s does not listen after %v", args[0], startPatience), p.Kill())
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), p.Kill())
	}
}

// environment is this process's without KV_… variables.
func environment() []string {
	var all []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KV_") {
			all = append(all, variable)
		}
	}
	return all
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends the process a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	<-p.exited
	return err
}

// Stop asks the process to end, and fails unless it does so in time and with 0.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(stopPatience):
		return errors.Join(fmt.Errorf("kv %s still runs %v after SIGTERM", p.args[0], stopPatience), p.Kill())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("kv %s ended with %d after SIGTERM: %s", p.args[0], code, p.out.tail())
	}
	return nil
}

// End ends the process whatever state it is in.
func (p *Process) End() {
	select {
	case <-p.exited:
	default:
		_ = p.Kill() // it holds nothing, and may be stopped
	}
}

// outputBytes bounds what is kept of what a process writes.
const outputBytes = 16 << 10

// output keeps the latest of what a process writes.
type output struct {
	listening chan string // gets the address once

	mu   sync.Mutex
	text []byte // guarded by mu
	told bool   // whether listening has the address; guarded by mu
}

func newOutput() *output { return &output{listening: make(chan string, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	_, rest, ok := strings.Cut(string(o.text), "msg=listening addr=")
	if end := strings.IndexAny(rest, " \n"); !o.told && ok && end > 0 {
		o.told = true
		o.listening <- rest[:end]
	}
	if over := len(o.text) - outputBytes; o.told && over > 0 {
		o.text = append(o.text[:0], o.text[over:]...)
	}
	return len(p), nil
}

// tail returns the last lines, for an error message.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(o.text)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
