package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"key-value/internal/testkit/child"
)

// stopPatience is how long a program may take to end when it is asked to.
const stopPatience = 30 * time.Second

// program is a gateway or a kvservice.
type program struct {
	name   string
	addr   string // where it listens
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

// startProgram runs kv with args, and waits until it listens. What it logs goes to log, each line behind its name.
func startProgram(ctx context.Context, log io.Writer, name, kv string, env []string, args ...string) (*program, error) {
	p := &program{name: name, cmd: exec.Command(kv, args...), exited: make(chan struct{})}
	p.cmd.Env = append(environment(), env...)
	p.cmd.SysProcAttr = child.Attributes()
	lines, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go p.follow(lines, log, listening)
	select {
	case p.addr = <-listening:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s does not start: %v", name, p.cmd.ProcessState)
	case <-ctx.Done():
		p.kill()
		return nil, context.Cause(ctx)
	}
}

// environment is this program's without KV_… variables, which are for kv alone.
func environment() []string {
	var all []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KV_") {
			all = append(all, variable)
		}
	}
	return all
}

// follow copies lines to log until the program has ended, and finds out where it listens.
func (p *program) follow(from io.Reader, log io.Writer, listening chan<- string) {
	defer close(p.exited)
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		if line != "" {
			fmt.Fprintf(log, "%-11s | %s\n", p.name, strings.TrimSuffix(line, "\n"))
		}
		if _, rest, ok := strings.Cut(line, "msg=listening addr="); ok {
			addr, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			listening <- addr
		}
		if err != nil {
			break
		}
	}
	_ = p.cmd.Wait() // who waits looks at the state
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// stop asks the program to end, if it still runs, and fails unless it ends in time and with 0.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	} else if err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(stopPatience):
		p.kill()
		return fmt.Errorf("%s still ran %v after SIGTERM", p.name, stopPatience)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s ended with %v", p.name, p.cmd.ProcessState)
	}
	return nil
}

// kill ends the program at once.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}
