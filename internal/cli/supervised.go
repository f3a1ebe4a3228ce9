package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"key-value/internal/sdnotify"
)

const (
	// loadPatience is how long the service manager waits for the next percent of the data to be loaded.
	loadPatience = 5 * time.Minute
	// flushPatience is how long it waits, when the server stops, after --drain-delay and --drain: for the log to be written.
	flushPatience = time.Minute
)

// supervised tells the service manager how a server is doing: that it is ready, once it listens and has loaded its data; that
// it is alive; and that it is stopping.
type supervised struct {
	*daemon
	manager *sdnotify.Manager
	ready   func(context.Context) bool // whether the server can do its work
	failed  error                      // why the last message could not be sent
}

// supervise tells the service manager, if there is one, how the server is doing until ctx is done. The server listens once
// listening yields its URL. Done is closed when nothing more is sent.
func (s *daemon) supervise(ctx context.Context, listening <-chan string, ready func(context.Context) bool) (done <-chan struct{}) {
	ended := make(chan struct{})
	manager, err := sdnotify.New(s.getenv, os.Getpid())
	if err != nil {
		s.log.Warn("the service manager is not told that the server is ready", "err", err)
	}
	if manager == nil {
		close(ended)
		return ended
	}
	v := &supervised{daemon: s, manager: manager, ready: ready}
	go func() {
		defer close(ended)
		v.start(ctx, listening)
		v.watch(ctx)
		v.notify(sdnotify.Stopping, sdnotify.Extend(s.delay+s.drain+flushPatience))
	}()
	return ended
}

// start waits until the server has started.
func (v *supervised) start(ctx context.Context, listening <-chan string) {
	var url string
	select {
	case url = <-listening:
	case <-ctx.Done():
		return
	}
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	told := -1
	for {
		percent, loading := v.state.Loading()
		if !loading {
			v.notify(sdnotify.Ready, sdnotify.Status("Serving "+url))
			return
		}
		if percent != told {
			told = percent
			v.notify(sdnotify.Status(fmt.Sprintf("Loading data: %d%%", percent)), sdnotify.Extend(loadPatience))
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// watch waits until the server is to stop. Meanwhile the server is alive if it can say whether it is ready, whatever it says.
// If that hangs, the service manager is told nothing and restarts the server.
func (v *supervised) watch(ctx context.Context) {
	if v.manager.Watchdog == 0 {
		<-ctx.Done()
		return
	}
	half := time.NewTicker(max(1, v.manager.Watchdog/2))
	defer half.Stop()
	for {
		select {
		case <-half.C:
			v.ask(ctx)
			v.notify(sdnotify.Alive)
		case <-ctx.Done():
			return
		}
	}
}

// ask returns once the server has said whether it is ready.
func (v *supervised) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, v.manager.Watchdog/4)
	defer cancel()
	v.ready(ctx)
}

// notify sends lines to the service manager. It logs only the first of consecutive failures.
func (v *supervised) notify(lines ...string) {
	err := v.manager.Notify(lines...)
	if err != nil && v.failed == nil {
		v.log.Warn("the service manager cannot be told how the server is doing", "err", err)
	}
	v.failed = err
}
