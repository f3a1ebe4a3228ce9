package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/client"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wireengine"
	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

const (
	// checkPatience bounds the check of one history.
	checkPatience = 30 * time.Second
	// mostUnknown is how many calls of a history may have an unknown outcome. Each doubles the work of the check.
	mostUnknown = 6
	// historyPrefix begins the keys of histories. Only they are touched.
	historyPrefix = "h/"
)

// histories records what clients of a service do, one history after the other, each across whatever fails meanwhile, and
// checks that it is linearizable.
func (r *run) histories(ctx context.Context, service int) {
	transport, err := client.NewTransport(r.stage.url(service), client.WithAPIKey(apiKey))
	if err != nil {
		r.violate(err)
		return
	}
	rest := &http.Transport{MaxIdleConnsPerHost: 8}
	defer rest.CloseIdleConnections()
	engine := wireengine.New(r.stage.url(service), apiKey, &http.Client{Transport: rest},
		keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport)))
	random := r.random(2000 + service)
	for ctx.Err() == nil {
		r.violate(r.history(ctx, engine, random.Uint64()>>16))
	}
}

// history records one history and checks it. No two share a key.
func (r *run) history(ctx context.Context, engine storetest.Store, seed uint64) error {
	prefix := fmt.Sprintf("%s%d/", historyPrefix, seed)
	w := storetest.Workload{Clients: 4, Calls: 40, Batches: seed%3 == 0, Seed: seed}
	for i := range 1 + seed%4 {
		w.Keys = append(w.Keys, fmt.Sprint(prefix, i))
	}
	round, end := context.WithCancel(ctx)
	defer end()
	r.restoring.RLock()
	calls := w.Run(round, &recorded{Store: engine, run: r, ctx: ctx, end: end})
	r.restoring.RUnlock()
	if ctx.Err() != nil {
		return nil
	}
	defer r.forget(ctx, prefix)
	if err := storetest.CheckLinearizable(calls, checkPatience); err != nil {
		return fmt.Errorf("history with seed %d: %w", seed, err)
	}
	r.checked.histories.Add(1)
	for _, c := range calls {
		r.checked.operations.Add(int64(len(c.Ops)))
	}
	return nil
}

// forget deletes the keys of a history, if that succeeds: they only take room.
func (r *run) forget(ctx context.Context, prefix string) {
	r.writing.RLock()
	defer r.writing.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	_, err := r.stage.clients[0].DeleteRange(ctx, client.KeyRange{Prefix: prefix})
	r.called(err)
}

// recorded makes the calls of a history. It ends one that has become too uncertain to be checked, and pauses after a call
// without an answer.
type recorded struct {
	storetest.Store
	run     *run
	ctx     context.Context // the context of the calls, which outlasts the history
	end     context.CancelFunc
	unknown atomic.Int64
}

// Do implements [storetest.Store].
func (s *recorded) Do(_ context.Context, op store.Operation) (result store.Result, err error) {
	s.call(func(ctx context.Context) error {
		result, err = s.Store.Do(ctx, op)
		return err
	}, op.Kind == store.Get)
	return result, err
}

// Batch implements [storetest.Store].
func (s *recorded) Batch(_ context.Context, ops []store.Operation, atomic bool) (results []store.Result, err error) {
	s.call(func(ctx context.Context) error {
		results, err = s.Store.Batch(ctx, ops, atomic)
		return err
	}, false)
	return results, err
}

func (s *recorded) call(do func(context.Context) error, harmless bool) {
	s.run.writing.RLock()
	ctx, cancel := context.WithTimeout(s.ctx, callPatience)
	err := do(ctx)
	cancel()
	s.run.writing.RUnlock()
	if !isAny(err, []error{store.ErrUnknownOutcome, store.ErrUnavailable}) {
		pause(s.ctx, rand.N(2*breath))
		return
	}
	if !harmless && s.unknown.Add(1) >= mostUnknown {
		s.end()
	}
	pause(s.ctx, 10*time.Millisecond+rand.N(40*time.Millisecond))
}
