package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"key-value/client"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

// flaky is a service that fails the first call of Get with err, and answers the others. It keeps the trace of each.
type flaky struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
	err   error
	calls atomic.Int32

	mu     sync.Mutex
	traces []string // guarded by mu
}

func (f *flaky) Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	info, _ := connect.CallInfoForServerContext(ctx)
	f.mu.Lock()
	f.traces = append(f.traces, info.RequestHeader().Get("traceparent"))
	f.mu.Unlock()
	if f.calls.Add(1) == 1 {
		return nil, f.err
	}
	return &keyvaluev1.GetResponse{Entry: &keyvaluev1.Entry{Key: req.GetKey()}}, nil
}

// logged returns a logger and what it has written so far.
func logged() (*slog.Logger, func() string) {
	var out lockedBuffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return log, out.text
}

type lockedBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// wantLines checks that each line of text has the words of one of want, in order.
func wantLines(t *testing.T, text string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != len(want) {
		t.Fatalf("the log has %d lines, want %d:\n%s", len(lines), len(want), text)
	}
	for i, line := range lines {
		for word := range strings.FieldsSeq(want[i]) {
			if !strings.Contains(line, word) {
				t.Errorf("line %d is %s, want %s in it", i+1, line, word)
			}
		}
	}
}

func TestALoggerHearsOfRetriesAndFailures(t *testing.T) {
	t.Parallel()
	log, text := logged()
	url := serve(t, &flaky{err: contract.ServiceUnavailable.Errorf("restarting")}, nil)
	kv := dial(t, url, client.WithLogger(log))
	if _, err := kv.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := kv.Set(t.Context(), "a", nil); err == nil {
		t.Fatal("Set succeeds")
	}
	wantLines(t, text(),
		"INFO retried method=Get reason=SERVICE_UNAVAILABLE wait=",
		"WARN failed method=Set code=UNIMPLEMENTED")

	log, text = logged()
	kv = dial(t, serveEngine(t, newEngine(t)), client.WithLogger(log))
	_, err := kv.Get(t.Context(), "nope")
	wantError(t, "Get", err, client.ErrNotFound)
	wantLines(t, text(), "DEBUG failed method=Get code=NOT_FOUND reason=KEY_NOT_FOUND took=")
}

func TestALoggerHearsOfInterruptedWatches(t *testing.T) {
	t.Parallel()
	log, text := logged()
	s := &scripted{parts: make(chan part, 2), requests: make(chan *keyvaluev1.WatchRequest, 3)}
	s.parts <- part{messages(synced("1")), errStopping}
	s.parts <- part{messages(put("a", "2")), errTooOld}
	close(s.parts)
	kv := dial(t, serve(t, s, nil), client.WithLogger(log))
	r := watch(t, kv.Watch(bounded(t), "jobs/"))
	r.want(t, "sync")
	r.want(t, "put a=")
	r.wantError(t, client.ErrResumeTooOld)
	wantLines(t, text(),
		"WARN interrupted prefix=jobs/ stopping",
		"INFO resumed prefix=jobs/",
		"WARN ended prefix=jobs/")
}

func TestTracesContainEachRequestOfACallAndGoOnInTheService(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	s := &flaky{err: contract.ServiceUnavailable.Errorf("restarting")}
	kv := dial(t, serve(t, s, nil), client.WithTracing(provider))
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	if _, err := kv.Get(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	root.End()

	ended := spans.Ended()
	if len(ended) != 4 {
		t.Fatalf("there are %d spans, want two requests, the call and the root", len(ended))
	}
	failed, answered, call := ended[0], ended[1], ended[2]
	if call.Parent().SpanID() != root.SpanContext().SpanID() || call.Name() != "keyvalue.v1.KeyValueService/Get" {
		t.Errorf("the span %s has the parent %v, want that of the caller", call.Name(), call.Parent())
	}
	for i, request := range []sdktrace.ReadOnlySpan{failed, answered} {
		if request.Parent().SpanID() != call.SpanContext().SpanID() {
			t.Errorf("request %d has the parent %v, want the call", i, request.Parent())
		}
		if id := request.SpanContext().SpanID().String(); !strings.Contains(s.traces[i], id) {
			t.Errorf("the service got the trace %q, want span %s", s.traces[i], id)
		}
	}
	if failed.Status().Code != codes.Error || answered.Status().Code != codes.Unset || call.Status().Code != codes.Unset {
		t.Errorf("the states are %v, %v and %v; want that only the first request failed", failed.Status(), answered.Status(), call.Status())
	}
}

func TestCallsThatShareARequestHaveLinkedSpans(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	kv := dial(t, serveEngine(t, newEngine(t)), client.WithTracing(provider))
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range 10 {
				if _, err := kv.Get(t.Context(), "a", client.AllowMissing()); err != nil {
					t.Errorf("Get = %v", err)
				}
			}
		})
	}
	callers.Wait()
	for _, span := range spans.Ended() {
		if span.Name() == "gather" && len(span.Links()) > 0 {
			return
		}
	}
	t.Error("no request is linked with the calls that shared it")
}

// meters is a provider that keeps what is recorded.
type meters struct {
	noop.MeterProvider
	made durations
}

func (m *meters) Meter(string, ...metric.MeterOption) metric.Meter { return meter{made: &m.made} }

type meter struct {
	noop.Meter
	made *durations
}

func (m meter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	m.made.name = name
	return m.made, nil
}

type durations struct {
	noop.Float64Histogram
	name string
	mu   sync.Mutex
	sets []string // what was recorded; guarded by mu
}

func (d *durations) Record(_ context.Context, _ float64, opts ...metric.RecordOption) {
	d.mu.Lock()
	defer d.mu.Unlock()
	set := metric.NewRecordConfig(opts).Attributes()
	d.sets = append(d.sets, set.Encoded(attribute.DefaultEncoder()))
}

func TestMetricsHaveTheMethodAndTheOutcomeOfEachCall(t *testing.T) {
	t.Parallel()
	provider := &meters{}
	kv := dial(t, serveEngine(t, newEngine(t)), client.WithMetrics(provider))
	mustSet(t, kv, "a", "1")
	_, err := kv.Get(t.Context(), "nope")
	wantError(t, "Get", err, client.ErrNotFound)
	want := []string{
		"rpc.method=keyvalue.v1.KeyValueService/Set,rpc.response.status_code=OK,rpc.system.name=connectrpc",
		"rpc.method=keyvalue.v1.KeyValueService/Get,rpc.response.status_code=NOT_FOUND,rpc.system.name=connectrpc",
	}
	if provider.made.name != "rpc.client.call.duration" || !slices.Equal(provider.made.sets, want) {
		t.Errorf("%s has %q, want %q", provider.made.name, provider.made.sets, want)
	}
}
