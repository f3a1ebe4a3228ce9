package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/hostile"
	"key-value/test/selfsigned"
)

const (
	// callers is how many connections the well-behaved caller has, and pause the time between two calls on one.
	callers = 8
	pause   = 20 * time.Millisecond
	// patience is how long a call of the well-behaved caller may take.
	patience = 10 * time.Second
	// largeValues is how many values of 1 MiB the peers find in the store, and smallValues how many small ones.
	largeValues, smallValues = 8, 1000
)

// stage starts servers and measures attacks.
type stage struct {
	kv, keys, key      string // the program, the file with the caller's key, and that key
	cert, certKey      string // files
	settle, idle, busy time.Duration
}

func newStage(ctx context.Context, dir string, quick bool) (*stage, error) {
	kv, err := proc.BuildKV(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &stage{kv: kv, keys: filepath.Join(dir, "keys.json"), settle: 2 * time.Second, idle: 2 * time.Second, busy: 5 * time.Second}
	if quick {
		s.settle, s.idle, s.busy = 300*time.Millisecond, 300*time.Millisecond, time.Second
	}
	key, err := proc.KV(kv, nil, "keys", "create", "--file", s.keys, "--id", "caller").Output(ctx)
	if err != nil {
		return nil, err
	}
	s.key = strings.TrimSpace(key)
	s.cert, s.certKey, err = selfsigned.Write(dir)
	return s, err
}

// measure starts a server, attacks it, and ends it.
func (s *stage) measure(ctx context.Context, a attack) (row, error) {
	var servers proc.Group
	defer servers.Stop(stopGrace)
	args := append([]string{"serve", "--listen", "127.0.0.1:0"}, a.args...)
	scheme := "http"
	if a.tls {
		scheme, args = "https", append(args, "--tls-cert", s.cert, "--tls-key", s.certKey)
	}
	server, err := servers.Serve(ctx, proc.KV(s.kv, environment(s.keys), args...))
	if err != nil {
		return row{}, err
	}
	c := newCaller(scheme+"://"+server.Addr, s.key)
	defer c.CloseIdleConnections()
	if err := c.fill(ctx); err != nil {
		return row{}, err
	}
	before := c.observe(ctx, s.idle)
	if err := proc.ForgetPeak(server.Pid()); err != nil {
		return row{}, err
	}
	end, err := loose(a, server.Addr)
	if err != nil {
		return row{}, err
	}
	defer end()
	time.Sleep(s.settle)
	during := c.observe(ctx, s.busy)
	live := newCaller(scheme+"://"+server.Addr, s.key).probe(ctx)
	peak, err := proc.Memory(server.Pid(), "VmHWM")
	if err != nil {
		return row{}, fmt.Errorf("the server has ended: %w", err)
	}
	return a.row(before, during, live, peak), nil
}

// caller is the well-behaved caller.
type caller struct {
	*http.Client
	url, key string
}

func newCaller(url, key string) *caller {
	return &caller{&http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: callers,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // the certificate is self-signed
	}}, url, key}
}

func (c *caller) do(ctx context.Context, method, path, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Api-Key", c.key)
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text.String())
	}
	return nil
}

// fill writes what the peers read.
func (c *caller) fill(ctx context.Context) error {
	var small []string
	for i := range smallValues {
		small = append(small, fmt.Sprintf(`{"set":{"key":"overload/%04d","value":"%064d"}}`, i, i))
	}
	if err := c.do(ctx, http.MethodPost, "/v1/values:batch", `{"operations":[`+strings.Join(small, ",")+`]}`); err != nil {
		return err
	}
	large := `{"value":"` + strings.Repeat("x", hostile.LargeValue) + `"}`
	for i := range largeValues {
		if err := c.do(ctx, http.MethodPut, fmt.Sprintf("/v1/values/large/%02d", i), large); err != nil {
			return err
		}
	}
	return nil
}

// observation is what the caller has seen for a while.
type observation struct {
	p50, p99 time.Duration
	calls    int
	failed   int
}

// observe makes calls for a while.
func (c *caller) observe(ctx context.Context, d time.Duration) observation {
	var all sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	failed := 0
	end := time.Now().Add(d)
	for range callers {
		all.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				start := time.Now()
				err := c.do(ctx, http.MethodGet, "/v1/values/overload/0042", "")
				mu.Lock()
				took = append(took, time.Since(start))
				if err != nil {
					failed++
				}
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		return observation{}
	}
	return observation{p50: took[len(took)/2], p99: took[len(took)*99/100], calls: len(took), failed: failed}
}

// probe returns how long /livez takes on a new connection.
func (c *caller) probe(ctx context.Context) time.Duration {
	defer c.CloseIdleConnections()
	start := time.Now()
	if err := c.do(ctx, http.MethodGet, "/livez", ""); err != nil {
		return patience
	}
	return time.Since(start)
}
