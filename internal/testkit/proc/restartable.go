package proc

import (
	"context"
	"errors"
	"os"
	"sync"
)

// Restartable is a program that can be killed, paused and started again. The zero value has not been started.
type Restartable struct {
	mu      sync.Mutex
	process *Process // the latest; guarded by mu
	paused  bool     // guarded by mu
}

// Launch starts the program. It fails if it is running.
func (r *Restartable) Launch(c Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.aliveLocked() {
		return errors.New("it is running")
	}
	p, err := c.Start()
	if err != nil {
		return err
	}
	r.process, r.paused = p, false
	return nil
}

// WaitReady calls probe until it succeeds, as [Process.WaitReady] does.
func (r *Restartable) WaitReady(ctx context.Context, probe func(context.Context) error) error {
	r.mu.Lock()
	p := r.process
	r.mu.Unlock()
	return p.WaitReady(ctx, probe)
}

// Pid returns the program's process id. For one that has ended, it returns the id that it had.
func (r *Restartable) Pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process.Pid()
}

// Exited returns a channel that is closed when the program has ended.
func (r *Restartable) Exited() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process.Exited()
}

// Running reports whether the program is running and not paused.
func (r *Restartable) Running() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.aliveLocked() && !r.paused
}

func (r *Restartable) aliveLocked() bool { return r.process != nil && r.process.Running() }

// Kill ends the program at once, as a crash would, and waits for its end. It does nothing if the program is not running.
func (r *Restartable) Kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.aliveLocked() {
		return nil
	}
	if err := r.process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Pause stops the program where it is: its connections stay open, and it answers nothing.
func (r *Restartable) Pause() error { return r.pause(true, (*Process).Pause) }

// Continue lets a paused program continue.
func (r *Restartable) Continue() error { return r.pause(false, (*Process).Continue) }

func (r *Restartable) pause(paused bool, act func(*Process) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.aliveLocked() {
		return errors.New("it is not running")
	}
	r.paused = paused
	return act(r.process)
}
