package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"key-value/gateway"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/kvservice"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// BenchmarkKeyStats compares handlers with key statistics to handlers without them, from REST to the engine and back. Both
// take turns, and their processor time counts, so that other work on the machine does not decide. Medians of all turns are
// compared.
func BenchmarkKeyStats(b *testing.B) {
	const keys = 1000
	var gets, sets []*http.Request
	var operations bytes.Buffer
	for i := range keys {
		key := fmt.Sprintf("users/%d/profile", i)
		gets = append(gets, benchRequest(b, http.MethodGet, "/v1/values/"+key, ""))
		sets = append(sets, benchRequest(b, http.MethodPut, "/v1/values/"+key, "0123456789abcdef0123456789abcdef"))
		fmt.Fprintf(&operations, `,{"get":{"key":%q}}`, key)
	}
	batch := benchRequest(b, http.MethodPost, "/v1/values:batch", `{"operations":[`+operations.String()[1:]+`]}`)
	batch.Header.Set("Content-Type", "application/json")
	b.Run("get", func(b *testing.B) { benchmarkKeyStats(b, gets) })
	b.Run("set", func(b *testing.B) { benchmarkKeyStats(b, sets) })
	b.Run("batch of 1000", func(b *testing.B) { benchmarkKeyStats(b, []*http.Request{batch}) })
}

// benchRequest returns a request that can be sent any number of times.
func benchRequest(b *testing.B, method, path, body string) *http.Request {
	r, err := http.NewRequestWithContext(b.Context(), method, path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = http.Header{"X-Api-Key": {apiKey}, "Content-Type": {"text/plain"}}
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(body))), nil }
	return r
}

func benchmarkKeyStats(b *testing.B, requests []*http.Request) {
	handlers := [2]http.Handler{newKeyStatsHandler(b, nil), newKeyStatsHandler(b, keystats.New())}
	var took [2][]float64 // of the turns of each, in nanoseconds of processor time
	w, next := &sink{header: http.Header{}}, 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; b.Loop(); i++ {
		for k := range handlers {
			k ^= i & 1 // neither is always the first
			start := processorTime(b)
			for n := range min(100, len(requests)) {
				r := requests[(next+n)%len(requests)]
				clear(w.header)
				r.Body, _ = r.GetBody()
				handlers[k].ServeHTTP(w, r)
			}
			took[k] = append(took[k], float64(processorTime(b)-start))
		}
		next += 100
	}
	for k := range took {
		slices.Sort(took[k])
	}
	off, on := took[0][len(took[0])/2], took[1][len(took[1])/2]
	b.ReportMetric(100*(on/off-1), "%overhead")
	b.ReportMetric(off/float64(min(100, len(requests))), "ns/request")
	b.ReportMetric(0, "ns/op")
}

// processorTime returns the processor time that the thread has used.
func processorTime(b *testing.B) time.Duration {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var used syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&used)), 0); err != 0 {
		b.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// newKeyStatsHandler returns a gateway in one process with its service, which records in keys.
func newKeyStatsHandler(b *testing.B, keys *keystats.Recorder) http.Handler {
	engine := memory.New(memory.Options{})
	b.Cleanup(func() { _ = engine.Close() })
	for i := range 1000 {
		op := store.Operation{Kind: store.Set, Key: fmt.Sprintf("users/%d/profile", i), Value: make([]byte, 64)}
		if _, err := engine.Do(b.Context(), op); err != nil {
			b.Fatal(err)
		}
	}
	apiKeys := auth.Single("default", apiKey)
	limiter := admission.New(admission.Config{Calls: 2048, Watches: 20_000, Large: 2, Bytes: 1 << 30, Sole: apiKeys.Sole})
	service := kvservice.New(engine, kvservice.Config{Limiter: limiter, Keys: keys})
	procedures := rpc.NewServer(service, rpc.Config{Ready: func(context.Context) bool { return true }, Log: silent})
	return gateway.New(hop.NewClient(rpc.InProcess(procedures), hop.Config{Log: silent}), gateway.Config{
		Keys: apiKeys, State: server.NewState(), Log: silent, Limiter: limiter,
	})
}
