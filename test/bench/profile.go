package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// profiler records CPU profiles of the store under each kind of load, for profile-guided optimization: the compiler
// inlines the hottest calls, and devirtualizes calls through interfaces (https://go.dev/doc/pgo).
type profiler struct {
	*bench
	files []string // the profiles so far
}

// subject is a process that is profiled.
type subject struct {
	*proc.Process
	admin string
}

// profile loads the store in one process, without a log and with one, and in two, and writes the merged profile to b.profileFile.
func (b *bench) profile(ctx context.Context) error {
	if err := errors.Join(load.Installed("wrk"), load.Installed("h2load")); err != nil {
		return err
	}
	p := &profiler{bench: b}
	if err := errors.Join(p.oneProcess(ctx), p.logged(ctx), p.twoProcesses(ctx)); err != nil {
		return err
	}
	args := append([]string{"tool", "pprof", "-proto", "-output", b.profileFile}, p.files...)
	if _, err := (proc.Command{Path: "go", Args: args}).Output(ctx); err != nil {
		return fmt.Errorf("merge the profiles: %w", err)
	}
	return nil
}

// launch starts a process of the store with an admin address.
func (p *profiler) launch(ctx context.Context, args ...string) (subject, error) {
	admin := proc.FreeAddr()
	server, err := p.servers.startProgram(ctx, store, append(args, "--listen", "127.0.0.1:0", "--admin-listen", admin)...)
	return subject{server, admin}, err
}

func (p *profiler) oneProcess(ctx context.Context) error {
	server, err := p.launch(ctx, "serve")
	if err != nil {
		return err
	}
	defer stop(server.Process)
	if err := fillStore(ctx, server.Addr, dataset.Entries); err != nil {
		return err
	}
	return errors.Join(
		p.wrk(ctx, ours, false, server.Addr, server), p.wrk(ctx, ours, true, server.Addr, server),
		p.wrk(ctx, connectDialect, false, server.Addr, server),
		p.calls(ctx, getCall("x-api-key: "+apiKey), server.Addr, server),
	)
}

// logged profiles the store in one process with a log that is synced before each response.
func (p *profiler) logged(ctx context.Context) error {
	dir, err := os.MkdirTemp(p.servers.dir, "log")
	if err != nil {
		return err
	}
	server, err := p.launch(ctx, "serve", "--data-dir", dir, "--fsync", always)
	if err != nil {
		return err
	}
	defer stop(server.Process)
	if err := fillStore(ctx, server.Addr, dataset.Entries); err != nil {
		return err
	}
	return p.wrk(ctx, ours, true, server.Addr, server)
}

func (p *profiler) twoProcesses(ctx context.Context) error {
	service, err := p.launch(ctx, "kvservice")
	if err != nil {
		return err
	}
	defer stop(service.Process)
	if err := fillStore(ctx, service.Addr, dataset.Entries); err != nil {
		return err
	}
	gateway, err := p.launch(ctx, "gateway", "--service", "http://"+service.Addr)
	if err != nil {
		return err
	}
	defer stop(gateway.Process)
	return errors.Join(
		p.wrk(ctx, ours, false, gateway.Addr, gateway, service), p.wrk(ctx, ours, true, gateway.Addr, gateway, service),
		p.calls(ctx, getCall(), service.Addr, service),
		p.calls(ctx, batchCall(getOperation, ""), service.Addr, service), p.calls(ctx, batchCall(setOperation, ""), service.Addr, service),
	)
}

// wrk profiles the subjects while wrk loads addr with gets or sets.
func (p *profiler) wrk(ctx context.Context, d dialect, set bool, addr string, subjects ...subject) error {
	requests, err := p.servers.requests(d, allEntries(set, 64, dataset.Entries))
	if err != nil {
		return err
	}
	return p.during(ctx, func(ctx context.Context) error {
		_, err := load.Wrk(ctx, "http://"+addr, requests, 0, 64, p.duration)
		return err
	}, subjects)
}

// calls profiles the subjects while h2load loads addr.
func (p *profiler) calls(ctx context.Context, call load.Call, addr string, subjects ...subject) error {
	return p.during(ctx, func(ctx context.Context) error {
		_, err := load.H2Load(ctx, addr, call, 8, 8, p.duration)
		return err
	}, subjects)
}

// during profiles the subjects for about as long as work takes.
func (p *profiler) during(ctx context.Context, work func(context.Context) error, subjects []subject) error {
	ended := make(chan error, len(subjects))
	for _, s := range subjects {
		file := filepath.Join(p.servers.dir, fmt.Sprintf("%d.pprof", len(p.files)))
		p.files = append(p.files, file)
		go func() { ended <- s.record(ctx, p.duration.Seconds(), file) }()
	}
	err := work(ctx)
	for range subjects {
		err = errors.Join(err, <-ended)
	}
	return err
}

// record writes a CPU profile of the subject to file.
func (s subject) record(ctx context.Context, seconds float64, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", s.admin, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("GET %s: %s", url, res.Status), err)
	}
	return os.WriteFile(file, data, 0o600)
}
