package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that should take no time.
const patience = 15 * time.Second

// process is a server that runs.
type process struct {
	addr string // where it listens, as host:port

	cmd    *exec.Cmd
	exited chan struct{}
	out    *output // what it wrote to standard output
	log    *output // what it wrote to standard error
}

// start starts the binary under test and waits until it listens. It is killed at the end of the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, env, kv, args...)
}

func startCommand(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := launch(t, env, name, args...)
	line, err := p.log.waitFor(`msg=listening addr=`, p.exited)
	if err != nil {
		t.Fatalf("%s does not listen: %v\n%s%s", p.cmd, err, p.out, p.log)
	}
	p.addr, _, _ = strings.Cut(line, " ")
	return p
}

// launch starts a command, in a process group of its own so that what it starts can be ended with it.
func launch(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{exited: make(chan struct{}), out: newOutput(), log: newOutput()}
	p.cmd = exec.CommandContext(beforeDeadline(t), name, args...)
	p.cmd.Dir = repository
	p.cmd.Env = environment(env)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.log
	if _, err := p.cmd.StdinPipe(); err != nil { // stays open, as on a terminal; some servers end with it
		t.Fatal(err)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.signal(syscall.SIGKILL) }
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its verdict stays in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.signal(syscall.SIGKILL)
		<-p.exited
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", p.cmd, p.out, p.log)
		}
	})
	return p
}

// beforeDeadline returns a context that ends a little before the test binary would panic and leave processes
// behind.
func beforeDeadline(t *testing.T) context.Context {
	deadline, ok := t.Deadline()
	if !ok {
		return context.WithoutCancel(t.Context())
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(t.Context()), deadline.Add(-10*time.Second))
	t.Cleanup(cancel)
	return ctx
}

// environment returns this process's environment without KV_… variables, and with env.
func environment(env []string) []string {
	var all []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KV_") {
			all = append(all, variable)
		}
	}
	return append(all, env...)
}

func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

// stop asks the process to end, waits for it and returns its exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

// wait waits until the process has ended and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s still runs\n%s%s", p.cmd, p.out, p.log)
		return 0
	}
}

// output collects what a process writes, and lets one wait for it.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer  // guarded by mu
	wrote chan struct{} // holds a token if text has grown since the last look
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor waits for a whole line that holds mark, and returns what stands behind mark in it.
func (o *output) waitFor(mark string, exited <-chan struct{}) (string, error) {
	timeout := time.After(patience)
	for {
		if rest, ok := o.find(mark); ok {
			return rest, nil
		}
		select {
		case <-o.wrote:
		case <-exited:
			if rest, ok := o.find(mark); ok {
				return rest, nil
			}
			return "", errors.New("it has ended")
		case <-timeout:
			return "", fmt.Errorf("no %q within %v", mark, patience)
		}
	}
}

func (o *output) find(mark string) (string, bool) {
	lines := bufio.NewReader(strings.NewReader(o.String()))
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return "", false
		}
		if _, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), mark); ok {
			return rest, true
		}
	}
}
