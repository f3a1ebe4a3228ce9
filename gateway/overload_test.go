package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"key-value/gateway"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
)

// busy is an engine that announces each call, and blocks until the caller cancels it.
type busy struct {
	store.Engine
	began chan struct{}
}

func (b busy) Do(ctx context.Context, _ store.Operation) (store.Result, error) {
	select {
	case b.began <- struct{}{}:
		<-ctx.Done()
	case <-ctx.Done():
	}
	return store.Result{}, ctx.Err()
}

// bounded are the places that can reject a call because another one runs.
var bounded = map[string]func(t *testing.T, engine store.Engine, limiter *admission.Limiter) string{
	"before the message is read": func(t *testing.T, engine store.Engine, limiter *admission.Limiter) string {
		return start(t, rpc.InProcess(limitedService(engine, limiter)), func(cfg *gateway.Config) { cfg.Limiter = limiter })
	},
	"in one process": func(t *testing.T, engine store.Engine, limiter *admission.Limiter) string {
		return start(t, rpc.InProcess(limitedService(engine, limiter)))
	},
	"at the service": func(t *testing.T, engine store.Engine, limiter *admission.Limiter) string {
		service := limitedService(engine, limiter)
		url := wiretest.ServeRPC(t, rpc.Mount(service, contract.DefaultValueBytes, http.NotFoundHandler()), service)
		return start(t, dial(t, url, ""))
	},
	"at the gateway": func(t *testing.T, engine store.Engine, limiter *admission.Limiter) string {
		return start(t, limiter.Transport(dial(t, serveService(t, engine), token)))
	},
}

func limitedService(engine store.Engine, limiter *admission.Limiter) *connect.Server {
	return rpc.NewServer(kvservice.New(engine, kvservice.Config{Limiter: limiter}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: silent,
	})
}

// whenFull runs test against a gateway at its bound, and then checks that it admits calls again.
func whenFull(t *testing.T, test func(t *testing.T, url string)) {
	for where, serve := range bounded {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			engine := busy{newEngine(t), make(chan struct{}, 1)}
			url := serve(t, engine, admission.New(admission.Config{Calls: 1, Large: 1}))
			kv := wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey)
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error, 1)
			go func() {
				_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "a"})
				over <- err
			}()
			<-engine.began
			test(t, url)
			cancel()
			<-over
			await(t, "a call after the other ended", func() bool {
				_, err := kv.List(t.Context(), &keyvaluev1.ListRequest{})
				return err == nil
			})
		})
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func TestTooManyCallsAreRejectedAtOnce(t *testing.T) {
	t.Parallel()
	whenFull(t, func(t *testing.T, url string) {
		got := ask(t, http.MethodGet, url+"/v1/values/a", "")
		if got.status != http.StatusServiceUnavailable || got.field("reason") != string(contract.Overloaded) ||
			got.header.Get("Retry-After") != "1" {
			t.Errorf("REST: %d %v %s, want 503 with reason OVERLOADED and Retry-After: 1", got.status, got.header, got.body)
		}
		for _, wire := range wiretest.Wires() {
			kv := wire.Dial(t, url, "x-api-key", apiKey)
			for name, call := range calls {
				err := call(t.Context(), kv, "a")
				if slices.Contains([]string{"CreateTicket", "GetCaller", "GetKeyStats", "GetStats", "Watch"}, name) {
					if contract.ReasonOf(err) == contract.Overloaded {
						t.Errorf("%s over %s = %v, want it not to be counted as a call", name, wire.Name, err)
					}
					continue
				}
				if contract.ReasonOf(err) != contract.Overloaded || connect.CodeOf(err) != connect.CodeUnavailable || retryDelay(err) != time.Second {
					t.Errorf("%s over %s = %v with RetryInfo %v, want OVERLOADED with 1s",
						name, wire.Name, err, retryDelay(err))
				}
			}
		}
	})
}

// retryDelay returns the delay in the google.rpc.RetryInfo of err.
func retryDelay(err error) time.Duration {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return 0
	}
	for _, detail := range e.Details() {
		if message, err := connectproto.UnmarshalErrorDetail(detail); err == nil {
			if info, ok := message.(*errdetails.RetryInfo); ok {
				return info.GetRetryDelay().AsDuration()
			}
		}
	}
	return 0
}

func TestHealthIsNeverRejected(t *testing.T) {
	t.Parallel()
	whenFull(t, wantHealthy)
}

func TestTooManyWatchesAreRejected(t *testing.T) {
	t.Parallel()
	server := limitedService(newEngine(t), admission.New(admission.Config{Watches: 1}))
	url := start(t, rpc.InProcess(server))
	stream, err := wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey).Watch(t.Context(), &keyvaluev1.WatchRequest{
		Target: &keyvaluev1.WatchRequest_Prefix{}, Snapshot: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Receive(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, http.MethodGet, url+"/v1/values:watch?prefix=", ""); got.status != http.StatusServiceUnavailable ||
		got.field("reason") != string(contract.Overloaded) {
		t.Errorf("REST: %d %s, want 503 with reason OVERLOADED", got.status, got.body)
	}
	for _, wire := range wiretest.Wires() {
		err := calls["Watch"](t.Context(), wire.Dial(t, url, "x-api-key", apiKey), "")
		if contract.ReasonOf(err) != contract.Overloaded {
			t.Errorf("over %s: %v, want OVERLOADED", wire.Name, err)
		}
	}
	_ = stream.Close()
	await(t, "a watch after the other ended", func() bool {
		return contract.ReasonOf(calls["Watch"](t.Context(), wiretest.Wires()[0].Dial(t, url, "x-api-key", apiKey), "")) != contract.Overloaded
	})
}

// limited are the ways to bound large REST calls.
var limited = map[string]func(t *testing.T, engine store.Engine, limiter *admission.Limiter) connect.Transport{
	"one process": func(_ *testing.T, engine store.Engine, limiter *admission.Limiter) connect.Transport {
		return rpc.InProcess(limitedService(engine, limiter))
	},
	"two processes": func(t *testing.T, engine store.Engine, limiter *admission.Limiter) connect.Transport {
		return limiter.Transport(dial(t, serveService(t, engine), token))
	},
}

func TestASlowReaderDoesNotBlockLargeCalls(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			engine, limiter := newEngine(t), admission.New(admission.Config{Large: 1})
			for i := range 12 { // more than the buffers of a connection hold
				op := store.Operation{Kind: store.Set, Key: fmt.Sprint("k", i), Value: bytes.Repeat([]byte("v"), contract.DefaultValueBytes)}
				if _, err := engine.Do(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}
			url := start(t, transport(t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			if _, err := fmt.Fprintf(conn, "GET /v1/values HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\n\r\n", apiKey); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != nil { // the rest stays unread
				t.Fatal(err)
			}
			for _, call := range []answer{
				ask(t, http.MethodGet, url+"/v1/values?view=keys", ""),
				ask(t, http.MethodPost, url+"/v1/values:batch", `{"operations":[{"get":{"key":"a"}}]}`, "Content-Type", "application/json"),
			} {
				if call.status != http.StatusOK {
					t.Errorf("a large call beside an unread page = %d %s, want 200", call.status, call.body)
				}
			}
		})
	}
}
