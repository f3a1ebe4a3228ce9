package cache_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"key-value/client"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func newEngine(t testing.TB) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func handle(engine store.Engine) http.Handler {
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Checks: admission.NewChecks(nil, nil), Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	return rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler())
}

// serve returns the URL of a service of engine.
func serve(t testing.TB, engine store.Engine) string { return wiretest.Serve(t, handle(engine)) }

// inBubble returns two clients of a new store in a bubble, and a function that cuts the second one off until the function
// that it returns is called.
func inBubble(t testing.TB) (direct, kv *client.Client, unplug func() (replug func())) {
	web := wiretest.ServeHTTP2InBubble(t, handle(newEngine(t)))
	c := &cable{next: web.Transport}
	c.replug()
	return dial(t, "http://pipes", client.WithHTTPClient(web)),
		dial(t, "http://pipes", client.WithHTTPClient(&http.Client{Transport: c})),
		func() func() {
			c.unplug()
			return c.replug
		}
}

// cable is the connection of one client.
type cable struct {
	next http.RoundTripper

	mu     sync.Mutex
	whole  context.Context // ends when the cable is cut; guarded by mu
	unplug func()          // guarded by mu
}

func (c *cable) replug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole, c.unplug = context.WithCancel(context.Background())
}

var errUnplugged = errors.New("the cable is cut")

func (c *cable) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	whole := c.whole
	c.mu.Unlock()
	if whole.Err() != nil {
		return nil, errUnplugged
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	context.AfterFunc(whole, func() { cancel(errUnplugged) })
	return c.next.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // it is the caller's
}

// steps lets what one watch receives through in small steps.
type steps struct {
	next http.RoundTripper
	left atomic.Int32 // which one: the last of so many
	step chan struct{}
}

func (s *steps) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := s.next.RoundTrip(req)
	if err == nil && strings.HasSuffix(req.URL.Path, "/Watch") && s.left.Add(-1) == 0 {
		res.Body = &steppingBody{res.Body, s, req.Context()}
	}
	return res, err
}

type steppingBody struct {
	io.ReadCloser
	steps *steps
	ctx   context.Context
}

func (b *steppingBody) Read(p []byte) (int, error) {
	select {
	case <-b.steps.step:
	case <-b.ctx.Done():
	}
	return b.ReadCloser.Read(p[:min(len(p), 16)])
}
