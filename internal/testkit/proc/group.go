package proc

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// startTries is how many ports are tried for a program that cannot find a free one by itself.
const startTries = 5

// Group is processes that end together. The zero value has none.
type Group struct {
	mu        sync.Mutex
	processes []*Process // guarded by mu
}

// Start starts a program and adds it to the group.
func (g *Group) Start(c Command) (*Process, error) {
	p, err := c.Start()
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.processes = append(slices.DeleteFunc(g.processes, func(p *Process) bool { return !p.Running() }), p)
	return p, nil
}

// Serve starts a program that logs where it listens, and waits until it does.
func (g *Group) Serve(ctx context.Context, c Command) (*Process, error) {
	p, err := g.Start(c)
	if err != nil {
		return nil, err
	}
	if err := p.WaitListening(ctx); err != nil {
		_ = p.Kill() // it may have ended
		return nil, err
	}
	return p, nil
}

// ServeAt starts a program that must be told where to listen, and waits until it accepts connections there. Command returns
// what to run for an address that is free. It is called again if another program takes that address first.
func (g *Group) ServeAt(ctx context.Context, command func(addr string) (Command, error)) (*Process, error) {
	var errs []error
	for range startTries {
		addr := FreeAddr()
		c, err := command(addr)
		if err != nil {
			return nil, err
		}
		p, err := g.Start(c)
		if err != nil {
			return nil, err
		}
		p.Addr = addr
		if err = p.WaitReady(ctx, p.dial); err == nil {
			return p, nil
		}
		_ = p.Kill() // it may have ended
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// dial succeeds if the process accepts connections.
func (p *Process) dial(context.Context) error {
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Stop sends SIGTERM to all processes, waits for patience, and kills those that are still running.
func (g *Group) Stop(patience time.Duration) {
	g.end(func(p *Process) { _ = p.Stop(patience) }) // how it ends does not matter
}

// Kill kills all processes that are still running, and waits for their ends.
func (g *Group) Kill() {
	g.end(func(p *Process) { _ = p.Kill() }) // it may have ended
}

func (g *Group) end(end func(*Process)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range g.processes {
		all.Go(func() { end(p) })
	}
	all.Wait()
	g.processes = nil
}

// FreeAddr returns a loopback address on which no one listens; see [FreePort].
func FreeAddr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort())) }

// FreePort returns a port of the loopback interface on which no one listens. It is not one of those that systems assign to
// outgoing connections, so that a program can be killed and started again at the same address.
func FreePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			listener.Close()
			return port
		}
	}
}
