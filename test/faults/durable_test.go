package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wireengine"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

var kills = flag.Int("kills", 6, "how often TestAKilledServerLosesNothing kills the server")

// durablePatience is how long a server may take to start, and the search for an order of a history.
const durablePatience = time.Minute

// durable is a server with a data directory. Its calls wait while it is away, so that few of them have an unknown outcome.
type durable struct {
	store.Engine        // for methods that are not called
	kv           string // the program
	addr, dir    string
	flags        []string // further ones
	calls        *wireengine.Engine
	processes    proc.Group
	process      *proc.Process
	command      func(proc.Command) proc.Command // how it is run; nil: by itself
	answered     atomic.Int64
	away         sync.RWMutex // held for writing while there is no process
}

// TestAKilledServerLosesNothing kills a server again and again while clients call it over REST and every RPC wire, and checks
// that their histories, with the reads after each start, are linearizable: nothing that was told is lost, in any mode. Every
// other process writes snapshots all the time.
func TestAKilledServerLosesNothing(t *testing.T) {
	d := startDurable(t)
	other := buildOften(t)
	for i := range *kills {
		mode := []string{"always", "1s", "never"}[i%3]
		w := storetest.Workload{Clients: 6, Calls: 100, Batches: i%2 == 0, Seed: uint64(i)}
		for key := range 4 {
			w.Keys = append(w.Keys, fmt.Sprintf("{%d}/%d", i, key))
		}
		d.kv, other = other, d.kv
		before := d.snapshots(t)
		killed := make(chan error, 1)
		go func() { killed <- d.killAmid(t.Context(), mode) }()
		history := w.Run(t.Context(), d)
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		for _, key := range w.Keys { // what a restart has kept
			history = append(history, d.read(t.Context(), history, key))
		}
		unknown := 0
		for _, call := range history {
			if call.Unknown() {
				unknown++
			}
		}
		if err := storetest.CheckLinearizable(history, durablePatience); err != nil {
			t.Fatalf("round %d, then started with --fsync %s: %v", i, mode, err)
		}
		t.Logf("round %d: %d calls, %d of them with an unknown outcome, up to %d snapshots", i, len(history), unknown, d.snapshots(t)-before)
	}
	if d.snapshots(t) < *kills {
		t.Errorf("%d snapshots were written at most, want at least one in a round", d.snapshots(t))
	}
}

// prepareDurable returns a server that has not been started.
func prepareDurable(t *testing.T) *durable {
	t.Helper()
	dir := t.TempDir()
	kv, err := proc.BuildKV(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &durable{kv: kv, dir: filepath.Join(dir, "data"), addr: proc.FreeAddr()}
	t.Cleanup(func() { d.processes.Stop(stopPatience) })
	return d
}

// buildOften builds the program with small segments, and snapshots that are due after a few kilobytes.
func buildOften(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	overlay, err := proc.Overlay(dir, "../../kvservice/store/memory/wal/options.go", map[string]string{
		"cmp.Or(o.SegmentBytes, 32<<20)":  "cmp.Or(o.SegmentBytes, 64<<10)",
		"cmp.Or(o.SnapshotBytes, 64<<20)": "cmp.Or(o.SnapshotBytes, 4<<10)",
	})
	if err != nil {
		t.Fatal(err)
	}
	kv, err := proc.BuildKV(t.Context(), dir, overlay)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// snapshots returns the number of the latest snapshot, which grows by at least one with each.
func (d *durable) snapshots(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "snapshot-*[0-9]"))
	if err != nil {
		t.Fatal(err)
	}
	latest := 0
	for _, f := range files {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(f), "snapshot-"))
		if err != nil {
			t.Fatal(err)
		}
		latest = max(latest, n)
	}
	return latest
}

func startDurable(t *testing.T) *durable {
	t.Helper()
	d := prepareDurable(t)
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	url := "http://" + d.addr
	var clients []keyvaluev1connect.KeyValueServiceClient
	for _, wire := range wiretest.Wires() {
		clients = append(clients, wire.Dial(t, url, "x-api-key", apiKey))
	}
	d.calls = wireengine.New(url, apiKey, &http.Client{Timeout: durablePatience}, clients...)
	return d
}

// start starts the server on its data.
func (d *durable) start(ctx context.Context, fsync string) error {
	command := proc.KV(d.kv, []string{"KV_API_KEY=" + apiKey},
		append([]string{"serve", "--listen", d.addr, "--data-dir", d.dir, "--fsync", fsync}, d.flags...)...)
	if d.command != nil {
		command = d.command(command)
	}
	p, err := d.processes.Start(command)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, durablePatience)
	defer cancel()
	d.process = p
	return p.WaitReady(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.addr+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("GET /readyz: %s", res.Status)
		}
		return nil
	})
}

// killAmid kills the server once it has answered some calls of a round, and starts it again.
func (d *durable) killAmid(ctx context.Context, fsync string) error {
	for begin := d.answered.Load(); d.answered.Load() < begin+amid; {
		pause(ctx, time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	d.away.Lock() // first, so that only calls in flight have no answer
	defer d.away.Unlock()
	if err := d.process.Kill(); err != nil {
		return err
	}
	return d.start(ctx, fsync)
}

// amid is how many calls of a round are answered before the server is killed, at least.
const amid = 200

// Do implements [storetest.Store].
func (d *durable) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	defer d.answered.Add(1)
	return d.present().Do(ctx, op)
}

// Batch implements [storetest.Store].
func (d *durable) Batch(ctx context.Context, ops []store.Operation, atomically bool) ([]store.Result, error) {
	defer d.answered.Add(1)
	return d.present().Batch(ctx, ops, atomically)
}

// present returns the engine for a call once there is a process. It holds no lock during the call, because the server is killed
// amid some.
func (d *durable) present() *wireengine.Engine {
	d.away.RLock()
	defer d.away.RUnlock()
	return d.calls
}

// read reads key after all other calls of a history.
func (d *durable) read(ctx context.Context, history []storetest.Call, key string) storetest.Call {
	call := storetest.Call{Client: len(history), Ops: []store.Operation{{Kind: store.Get, Key: key}}}
	for _, earlier := range history {
		call.Begin = max(call.Begin, earlier.End+1)
	}
	call.End = call.Begin + 1
	var result store.Result
	if result, call.Err = d.Do(ctx, call.Ops[0]); call.Err == nil {
		call.Results = []store.Result{result}
	}
	return call
}
