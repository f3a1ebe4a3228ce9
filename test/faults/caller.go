package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"key-value/client"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wireengine"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/storetest"
)

// callPatience is how long a client waits for an answer.
const callPatience = 2 * time.Second

// program is one program that uses the store: over REST, over gRPC, and with the Go library. It makes nothing twice
// that the clients it uses do not make twice by themselves.
type program struct {
	*wireengine.Remote
	meter   *meter
	library *client.Client // for watches
	close   func()
}

// newProgram returns a program whose connections are its own.
func newProgram(url string, m *meter) (*program, error) {
	rest := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 10 * time.Second}
	library, err := client.New(url, client.WithAPIKey(apiKey))
	if err != nil {
		return nil, err
	}
	batched, err := client.NewTransport(url, client.WithAPIKey(apiKey))
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(url, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: 2 * time.Second,
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
		}))
	if err != nil {
		return nil, err
	}
	p := &program{meter: m, library: library}
	p.Remote = wireengine.New(url, apiKey, &http.Client{Transport: rest},
		keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(batched)),
		keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(wiretest.WithHeader(wiretest.OverGRPC(conn), "x-api-key", apiKey))))
	p.close = func() {
		library.Close()
		rest.CloseIdleConnections()
		_ = conn.Close()
	}
	return p, nil
}

// Do makes one call, and counts what becomes of it.
func (p *program) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	result, err := p.Remote.Do(ctx, op)
	p.note(1, err)
	return result, err
}

// Batch makes one call, and counts what becomes of it.
func (p *program) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	results, err := p.Remote.Batch(ctx, ops, atomic)
	p.note(len(ops), err)
	return results, err
}

func (p *program) note(operations int, err error) {
	if unanswered(err) {
		p.meter.lost(err)
		return
	}
	p.meter.answered(operations)
}

// unanswered reports whether err is the end of a call that got no answer, or none but that there will be none.
func unanswered(err error) bool {
	return errors.Is(err, store.ErrUnknownOutcome) || errors.Is(err, store.ErrUnavailable)
}

// mostUnknown is how many writes of one history may have no outcome. Each of them doubles what a check has to try.
const mostUnknown = 6

// wary makes calls for a history: it ends one that becomes too uncertain to be checked, and waits a
// little after a call without an answer.
type wary struct {
	storetest.Store
	run     context.Context //nolint:containedctx // what calls last for: longer than the history
	end     context.CancelFunc
	unknown atomic.Int64
}

// Do implements [storetest.Store].
func (w *wary) Do(_ context.Context, op store.Operation) (store.Result, error) {
	result, err := w.Store.Do(w.run, op)
	w.worry(err, op.Kind == store.Get)
	return result, err
}

// Batch implements [storetest.Store].
func (w *wary) Batch(_ context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	results, err := w.Store.Batch(w.run, ops, atomic)
	w.worry(err, false)
	return results, err
}

func (w *wary) worry(err error, harmless bool) {
	if !unanswered(err) {
		return
	}
	if errors.Is(err, store.ErrUnknownOutcome) && !harmless && w.unknown.Add(1) >= mostUnknown {
		w.end()
	}
	pause(w.run, 10*time.Millisecond+rand.N(40*time.Millisecond))
}
