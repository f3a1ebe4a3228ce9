package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store/memory"
)

const (
	cutWriters = 4   // concurrent writers
	cutWrites  = 150 // changes by each writer
)

// cutting dials connections that break after a random number of bytes.
type cutting struct {
	bytes int // at most

	mu          sync.Mutex
	random      *rand.Rand // guarded by mu
	connections int        // guarded by mu
}

func newCutting(t *testing.T, bytes int) *cutting {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &cutting{bytes: bytes, random: rand.New(rand.NewPCG(seed, 0))}
}

// client returns a client that does not reuse connections.
func (c *cutting) client(t *testing.T) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: c.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (c *cutting) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections++
	return &cutConn{Conn: conn, left: c.random.IntN(c.bytes)}, nil
}

type cutConn struct {
	net.Conn
	left int // bytes until the connection breaks
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		_ = c.Close()
		return 0, errors.New("cut")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// A reader that resumes from the id of the last event receives every change exactly once and in order.
func TestInterruptedWatchNeitherMissesNorRepeatsChanges(t *testing.T) {
	t.Parallel()
	kv := serviceOver(t, memory.New(memory.Options{}))
	watch := wiretest.Serve(t, rest.New(kv, rest.Config{})) + "/v1/values:watch?prefix=w/"
	token := listen(t, http1(t), watch).want(t, synced).id
	done := writeAll(t, kv)
	cut := newCutting(t, 2000)
	var got []change
	readCut(t, cut.client(t), watch, token, func(c change) { got = append(got, c) }, nil)
	<-done
	want := history(t, kv, token)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("change %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("the reader saw %d changes, want %d", len(got), len(want))
	}
	t.Logf("%d changes, %d connections", len(got), cut.connections)
}

// An interrupted snapshot has no id to resume from, so it starts over. Later events continue it.
func TestInterruptedSnapshotConverges(t *testing.T) {
	t.Parallel()
	kv := serviceOver(t, memory.New(memory.Options{}))
	for i := range 20 {
		mustSet(t, kv, valueOf(fmt.Sprint("w/before/", i), "v"))
	}
	watch := wiretest.Serve(t, rest.New(kv, rest.Config{})) + "/v1/values:watch?prefix=w/&snapshot=true"
	done := writeAll(t, kv)
	got := map[string]string{}
	readCut(t, newCutting(t, 8000).client(t), watch, "", func(c change) {
		if c.name == "put" {
			got[c.key] = c.value
		} else {
			delete(got, c.key)
		}
	}, func() { clear(got) })
	<-done
	want := map[string]string{}
	res, err := kv.List(t.Context(), &keyvaluev1.ListRequest{Prefix: "w/", PageSize: 1000})
	for _, entry := range res.GetEntries() {
		want[entry.GetKey()] = entry.GetValue()
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("the reader has %v, want %v, %v", got, want, err)
	}
}

// change is the part of an event that is the same over all wires.
type change struct{ id, name, key, value string }

// lastKey is stored after all other writes.
const lastKey = "w/end"

// writeAll stores and deletes keys with the prefix "w/" from several goroutines.
func writeAll(t *testing.T, kv client) (done chan struct{}) {
	done = make(chan struct{})
	var writers sync.WaitGroup
	for w := range cutWriters {
		writers.Go(func() {
			for i := range cutWrites {
				key := fmt.Sprintf("w/%d/%d", w, i%5)
				if i%7 == 6 {
					mustDelete(t, kv, key)
				} else {
					mustSet(t, kv, valueOf(key, fmt.Sprint(i)))
				}
			}
		})
	}
	go func() {
		defer close(done)
		writers.Wait()
		mustSet(t, kv, valueOf(lastKey, ""))
	}()
	return done
}

// readCut reads until lastKey, and reconnects whenever the connection breaks. It calls restart if it has no id to resume from.
func readCut(t *testing.T, c *http.Client, url, lastID string, see func(change), restart func()) {
	t.Helper()
	for {
		var header []string
		if lastID != "" {
			header = []string{"Last-Event-ID", lastID}
		} else if restart != nil {
			restart()
		}
		s, err := subscribe(t.Context(), c, url, header...)
		if err != nil {
			continue // broken before the first byte
		}
		if s.read(t, see) {
			return
		}
		lastID = s.lastID
	}
}

// read reads until lastKey, or until the connection breaks.
func (s *eventSource) read(t *testing.T, see func(change)) (done bool) {
	t.Helper()
	defer s.close()
	for {
		e, err := s.next()
		if err != nil {
			return false
		}
		var entry struct{ Key, Value string }
		if err := json.Unmarshal([]byte(e.data), &entry); err != nil || e.name == "error" {
			t.Fatalf("event %+v: %v", e, err)
		}
		see(change{e.id, e.name, entry.Key, entry.Value})
		if entry.Key == lastKey {
			return true
		}
	}
}

// history reads the changes after token by RPC.
func history(t *testing.T, kv client, token string) (all []change) {
	t.Helper()
	stream, err := kv.Watch(t.Context(), &keyvaluev1.WatchRequest{
		Target: &keyvaluev1.WatchRequest_Prefix{Prefix: "w/"}, ResumeToken: token,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for {
		res, err := stream.Receive()
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(strings.TrimPrefix(res.GetEvent().GetType().String(), "TYPE_"))
		entry := res.GetEvent().GetEntry()
		all = append(all, change{res.GetResumeToken(), name, entry.GetKey(), entry.GetValue()})
		if entry.GetKey() == lastKey {
			return all
		}
	}
}
