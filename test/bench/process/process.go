// Package process runs the programs of a benchmark, and ends them: each by its own id, whatever happens.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// patience is how long a server may take until it listens.
	patience = 20 * time.Second
	// grace is how long a server may take to stop before it is killed.
	grace = 3 * time.Second
)

// Group is the servers that run. The zero value has none.
type Group struct {
	mu      sync.Mutex
	servers []*Server // guarded by mu
}

// Server is a process that serves until it is stopped.
type Server struct {
	// Addr is where it listens, as host:port.
	Addr string

	cmd    *exec.Cmd
	out    *output
	exited chan struct{}
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Start starts a server that logs where it listens, as `msg=listening addr=host:port`.
func (g *Group) Start(ctx context.Context, env []string, name string, args ...string) (*Server, error) {
	s, err := g.launch(env, name, args...)
	if err != nil {
		return nil, err
	}
	timeout := time.After(patience)
	for {
		if addr, ok := s.out.after("msg=listening addr="); ok {
			s.Addr = addr
			return s, nil
		}
		select {
		case <-s.out.wrote:
		case <-s.exited:
			return nil, fmt.Errorf("%s has ended: %s", name, s.out.tail())
		case <-timeout:
			return nil, fmt.Errorf("%s does not listen after %v: %s", name, patience, s.out.tail())
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// StartAt starts a server that must be told where to listen: args makes its arguments from a port that was free
// a moment ago. It is tried again should somebody else have taken that port meanwhile.
func (g *Group) StartAt(ctx context.Context, name string, args func(port string) ([]string, error)) (*Server, error) {
	var errs []error
	for range 3 {
		s, err := g.startAt(ctx, name, args)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (g *Group) startAt(ctx context.Context, name string, args func(port string) ([]string, error)) (*Server, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	arguments, err := args(port)
	if err != nil {
		return nil, err
	}
	s, err := g.launch(nil, name, arguments...)
	if err != nil {
		return nil, err
	}
	s.Addr = addr
	return s, s.answers(ctx)
}

// answers waits until the server takes connections.
func (s *Server) answers(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.exited:
			return fmt.Errorf("%s has ended: %s", s.cmd.Path, s.out.tail())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		conn, err := net.Dial("tcp", s.Addr)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("%s does not listen after %v: %s", s.cmd.Path, patience, s.out.tail())
}

// FreeAddr returns a loopback address that nobody listens on now.
func FreeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (g *Group) launch(env []string, name string, args ...string) (*Server, error) {
	s := &Server{cmd: exec.Command(name, args...), out: newOutput(), exited: make(chan struct{})}
	s.cmd.Env = append(environment(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = Attributes()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // whoever waits for the server reads its output
		close(s.exited)
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.servers = append(g.servers, s)
	return s, nil
}

// environment is this process's without KV_… variables, which would change what is measured.
func environment() []string {
	var all []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KV_") {
			all = append(all, variable)
		}
	}
	return all
}

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-s.exited:
	case <-time.After(grace):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// Stop ends all servers, and waits until they have ended.
func (g *Group) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range g.servers {
		all.Go(s.Stop)
	}
	all.Wait()
	g.servers = nil
}

// Output runs a program that ends by itself and returns what it wrote to standard output. It is killed when ctx is
// done.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	out, errOut := newOutput(), newOutput()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.SysProcAttr = Attributes()
	cmd.WaitDelay = grace
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", name, errors.Join(context.Cause(ctx), err), out.tail(), errOut.tail())
	}
	return string(out.text), nil
}
