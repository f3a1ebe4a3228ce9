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

// program is one program that uses the store over REST, over gRPC, and with the Go library. It retries nothing that the
// clients it uses do not retry by themselves.
type program struct {
	*wireengine.Engine
	meter   *meter
	library *client.Client // for watches
	close   func()
}

// newProgram returns a program with connections of its own.
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
	p.Engine = wireengine.New(url, apiKey, &http.Client{Transport: rest},
		keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(batched)),
		keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(wiretest.WithHeader(wiretest.OverGRPC(conn), "x-api-key", apiKey))))
	p.close = func() {
		library.Close()
		rest.CloseIdleConnections()
		_ = conn.Close()
	}
	return p, nil
}

// Do makes one call and counts its outcome.
func (p *program) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	result, err := p.Engine.Do(ctx, op)
	p.note(1, err)
	return result, err
}

// Batch makes one call and counts its outcome.
func (p *program) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	results, err := p.Engine.Batch(ctx, ops, atomic)
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

// unanswered reports whether err means that the outcome of the call is unknown, or that the store could not be reached.
func unanswered(err error) bool {
	return errors.Is(err, store.ErrUnknownOutcome) || errors.Is(err, store.ErrUnavailable)
}

// mostUnknown is how many writes of one history may have an unknown outcome. Each doubles the work of the check.
const mostUnknown = 6

// bounded makes calls for a history. It ends a history that has become too uncertain to be checked, and pauses after a
// call without an answer.
type bounded struct {
	storetest.Store
	run     context.Context // the context of the calls, which outlasts the history
	end     context.CancelFunc
	unknown atomic.Int64
}

// Do implements [storetest.Store].
func (b *bounded) Do(_ context.Context, op store.Operation) (store.Result, error) {
	result, err := b.Store.Do(b.run, op)
	b.worry(err, op.Kind == store.Get)
	return result, err
}

// Batch implements [storetest.Store].
func (b *bounded) Batch(_ context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	results, err := b.Store.Batch(b.run, ops, atomic)
	b.worry(err, false)
	return results, err
}

func (b *bounded) worry(err error, harmless bool) {
	if !unanswered(err) {
		return
	}
	if errors.Is(err, store.ErrUnknownOutcome) && !harmless && b.unknown.Add(1) >= mostUnknown {
		b.end()
	}
	pause(b.run, 10*time.Millisecond+rand.N(40*time.Millisecond))
}
