// Package clienttest runs the key-value store in the process of a test, so that tests need no mock of it.
//
// [New] starts an empty store: the handlers, the authentication and the engine of kv serve. Nothing is shared between two of
// them, and all of it ends with the test:
//
//	func TestSessionsExpire(t *testing.T) {
//		s := clienttest.New(t)
//		sessions := NewSessions(s.Client)
//		sessions.Begin(t.Context(), "anna") // with a TTL of an hour
//		s.Advance(time.Hour)
//		…
//	}
//
// # Time
//
// The clock of the store runs as any other, and [Service.Advance] moves it ahead. Only what the engine measures moves: TTLs,
// and the times that it reports. The waits of the client, the deadlines of calls and the expiry of API keys keep to the time
// of the process.
//
// Within a bubble of testing/synctest, the store runs on the fake clock of the bubble, so sleeping makes entries expire too. A
// client reaches the store through memory rather than a network, because a bubble cannot wait for one. For the same reason,
// [Service.URL] must not be called there.
package clienttest

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"key-value/client"
	"key-value/gateway"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/memnet"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

// Service is a store in the process of a test. Start one with [New]. Its methods can be called by several goroutines.
type Service struct {
	// Client has all rights. It is closed when the test ends.
	Client *client.Client
	// APIKey has all rights.
	APIKey string

	t       testing.TB
	engine  *memory.Engine
	gateway *gateway.Gateway
	state   *server.State
	keys    *auth.Keys
	file    string // of keys
	memory  *memnet.Listener
	conns   conns

	mu    sync.Mutex
	added int    // keys; guarded by mu
	url   string // "" until URL is called; guarded by mu
}

// New starts an empty store, which stops when the test and its subtests have ended. A test in which it cannot start fails.
func New(t testing.TB) *Service {
	t.Helper()
	s := &Service{
		APIKey: auth.Generate("default"), t: t, engine: memory.New(memory.Options{}), state: server.NewState(),
		file: filepath.Join(t.TempDir(), "keys.json"), memory: memnet.New(),
	}
	t.Cleanup(func() { _ = s.engine.Close() })
	s.check(auth.EditFile(s.file, func(*auth.File) error { return nil }, nil))
	var err error
	s.keys, err = auth.New(auth.Config{Secret: s.APIKey, File: s.file, Log: discard})
	s.check(err)
	service := rpc.NewServer(kvservice.New(s.engine, kvservice.Config{Stopping: s.state.Stopping()}), rpc.Config{
		Ready: func(context.Context) bool { return s.state.Running() }, Log: discard,
	})
	s.gateway = gateway.New(hop.NewClient(rpc.InProcess(service), hop.Config{Log: discard}), gateway.Config{
		Keys: s.keys, State: s.state, Log: discard,
	})
	s.serveMemory()
	s.Client = s.Dial()
	return s
}

// Advance moves the clock of the store ahead, as if d had passed. Entries whose TTL elapses by then no longer exist when it
// returns, and watches report each of them as [client.EventExpire]. Time cannot move back: a negative d fails the test.
func (s *Service) Advance(d time.Duration) {
	s.t.Helper()
	if d < 0 {
		s.t.Fatalf("clienttest: Advance(%v): want 0 or more", d)
	}
	s.engine.Advance(d)
}

// Dial returns another client, which is closed when the test ends. Without [client.WithAPIKey] it has all rights, and without
// [client.WithHTTPClient] it uses no network.
func (s *Service) Dial(opts ...client.Option) *client.Client {
	s.t.Helper()
	kv, err := client.New(memoryURL, append([]client.Option{
		client.WithAPIKey(s.APIKey), client.WithHTTPClient(s.httpClient()),
	}, opts...)...)
	s.check(err)
	s.t.Cleanup(kv.Close)
	return kv
}

// Key returns a new API key that allows no more than grants. A grant with an unknown operation fails the test.
func (s *Service) Key(grants ...client.Grant) string {
	s.t.Helper()
	record := auth.Record{Status: auth.Active}
	for _, g := range grants {
		ops, err := auth.ParseOps(g.Ops)
		s.check(err)
		record.Grants = append(record.Grants, auth.Grant{Prefix: g.Prefix, Ops: ops})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added++
	record.ID = "key-" + strconv.Itoa(s.added)
	key := auth.Generate(record.ID)
	record.SHA256 = auth.HashOf(key)
	s.check(auth.EditFile(s.file, func(f *auth.File) error {
		f.Keys = append(f.Keys, record)
		return nil
	}, nil))
	s.keys.Reload(discard)
	return key
}

// check fails the test if err is not nil.
func (s *Service) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("clienttest: %v", err)
	}
}

var discard = slog.New(slog.DiscardHandler)
