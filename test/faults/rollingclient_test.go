package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wiretest"
)

// failures counts calls and those that failed.
type failures struct {
	mu       sync.Mutex
	calls    int      // guarded by mu
	failed   int      // guarded by mu
	examples []string // of errors; guarded by mu
}

func (f *failures) count(client string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if err == nil {
		return
	}
	f.failed++
	if len(f.examples) < 20 {
		f.examples = append(f.examples, time.Now().Format(time.StampMilli)+" "+client+": "+err.Error())
	}
}

// rollingClient makes one call after another.
type rollingClient struct {
	name  string
	pause time.Duration // the longest time between two calls
	call  func(context.Context) error
}

func (c rollingClient) run(ctx context.Context, f *failures) {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
		f.count(c.name, c.call(bounded))
		cancel()
		pause(ctx, rand.N(c.pause))
	}
}

// keepAlive returns a client with one HTTP/1.1 connection. It sends no request twice.
func (r *rolling) keepAlive() *http.Client {
	return &http.Client{Transport: &keepAlive{addr: r.haproxy.Addr}}
}

// clients returns clients of every kind.
func (r *rolling) clients(t *testing.T) []rollingClient {
	url := r.url()
	var all []rollingClient
	for i := range 8 {
		for name, longest := range map[string]time.Duration{"busy": 10 * time.Millisecond, "idle": 2 * time.Second} {
			name = fmt.Sprintf("HTTP/1.1, %s %d", name, i)
			all = append(all, rollingClient{name, longest, counting(overREST(r.keepAlive(), url, name))})
		}
	}
	for i := range 4 {
		name := fmt.Sprint("HTTP/2 ", i)
		all = append(all, rollingClient{name, 10 * time.Millisecond, counting(overREST(wiretest.HTTPClient(t), url, name))})
		name = fmt.Sprint("gRPC ", i)
		all = append(all, rollingClient{name, 10 * time.Millisecond, counting(overGRPC(t, url, name))})
		name = fmt.Sprint("upload ", i)
		all = append(all, rollingClient{name, time.Second, upload(r.keepAlive(), url, name)})
		name = fmt.Sprint("download ", i)
		all = append(all, rollingClient{name, time.Second, download(&http.Client{Transport: &keepAlive{addr: r.haproxy.Addr, slow: slowPause}}, url, name)})
	}
	return all
}

// increment adds 1 to a counter and returns the sum.
type increment func(context.Context) (int64, error)

// counting returns a call that adds 1 to a counter, to which no one else adds.
func counting(next increment) func(context.Context) error {
	last, known := int64(0), true
	return func(ctx context.Context) error {
		sum, err := next(ctx)
		if err == nil && known && sum != last+1 {
			err = fmt.Errorf("the sum after %d is %d", last, sum)
		}
		last, known = sum, err == nil
		return err
	}
}

func overGRPC(t *testing.T, url, key string) increment {
	kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(
		wiretest.WithHeader(wiretest.OverGRPC(wiretest.GRPC(t, url)), "x-api-key", apiKey)))
	return func(ctx context.Context) (int64, error) {
		res, err := kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: key, Delta: 1})
		if err != nil {
			return 0, err
		}
		return res.GetValue(), nil
	}
}

func overREST(client *http.Client, url, key string) increment {
	return func(ctx context.Context) (int64, error) {
		body, _ := json.Marshal(map[string]string{"key": key, "delta": "1"})
		answer, err := send(ctx, client, http.MethodPost, url+"/v1/values:increment", "application/json", strings.NewReader(string(body)))
		if err != nil {
			return 0, err
		}
		var entry struct{ Value string }
		if err := json.Unmarshal(answer, &entry); err != nil {
			return 0, err
		}
		return strconv.ParseInt(entry.Value, 10, 64)
	}
}

// An upload and a download take eight seconds each. So some begin before a gateway stops, and are not done when it no longer
// accepts connections. The end of a download may be read after the gateway has exited.
const (
	slowPieces = 16
	slowPause  = 500 * time.Millisecond
	slowPiece  = 32 << 10
)

// upload returns a call that sends a value slowly.
func upload(client *http.Client, url, key string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := send(ctx, client, http.MethodPut, url+"/v1/values/"+neturl.PathEscape(key), "text/plain", &slowBody{left: slowPieces * slowPiece})
		return err
	}
}

// download returns a call that reads a value slowly, after it has stored it.
func download(client *http.Client, url, key string) func(context.Context) error {
	url += "/v1/values/" + neturl.PathEscape(key)
	stored := false
	return func(ctx context.Context) error {
		if !stored {
			_, err := send(ctx, http.DefaultClient, http.MethodPut, url, "text/plain", strings.NewReader(strings.Repeat("x", slowPieces*slowPiece)))
			stored = err == nil
			return err
		}
		_, err := send(ctx, client, http.MethodGet, url, "text/plain", http.NoBody)
		return err
	}
}

// slowReader pauses before each read.
type slowReader struct {
	io.Reader
	pause time.Duration
}

func (r slowReader) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p)
}

// slowBody is a request body that is sent one piece at a time.
type slowBody struct{ left, sent int }

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.sent == slowPiece {
		b.sent = 0
		time.Sleep(slowPause)
	}
	n := min(len(p), b.left, slowPiece-b.sent)
	for i := range n {
		p[i] = 'x'
	}
	b.left, b.sent = b.left-n, b.sent+n
	return n, nil
}

func send(ctx context.Context, client *http.Client, method, url, contentType string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if slow, ok := body.(*slowBody); ok {
		req.ContentLength = int64(slow.left)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Api-Key", apiKey)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", res.Status, answer)
	}
	return answer, err
}
