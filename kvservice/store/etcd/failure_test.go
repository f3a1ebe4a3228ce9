package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"key-value/internal/testkit/etcdcluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
	"key-value/kvservice/store/storetest"
)

func TestStoppedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	e := open(t, members, etcd.Options{})
	do(t, e, set("k", "v"))
	if err := members.Members()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	// Calls that give up before their deadline say so: what they were to do may still be done otherwise.
	eventually(t, "wait for ErrUnavailable", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := e.Do(ctx, set("k", "w")); !errors.Is(err, store.ErrUnavailable) {
			return fmt.Errorf("set = %w", err)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := e.Do(ctx, get("k"))
	wantError(t, "get", err, store.ErrUnavailable)
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = e.Stats(ctx)
	wantError(t, "stats", err, store.ErrUnavailable)
	if err := members.Members()[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "use the member again", func() error {
		_, err := e.Do(t.Context(), set("k", "x"))
		return err
	})
	if got := string(do(t, e, get("k")).Entry.Value); got != "x" {
		t.Errorf("k has %q, want x", got)
	}
}

// Whatever happens to the leader, the histories of clients are linearizable. The failover suite does this many times.
func TestCallsAreLinearizableWhateverHappensToTheLeader(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{Members: 3})
	e := open(t, members, etcd.Options{})
	for seed, fault := range []struct {
		name       string
		begin, end func(*etcdcluster.Member) error
	}{
		{"killed", (*etcdcluster.Member).Kill, func(m *etcdcluster.Member) error { return m.Restart(t.Context()) }},
		{"stopped", (*etcdcluster.Member).Pause, (*etcdcluster.Member).Continue},
	} {
		t.Run(fault.name, func(t *testing.T) {
			leader, err := members.Settled(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := storetest.Workload{Clients: 4, Calls: 100, Batches: true, Seed: uint64(seed)}
			for i := range 3 {
				w.Keys = append(w.Keys, fmt.Sprint(fault.name, "/", i))
			}
			calls := make(chan []storetest.Call, 1)
			go func() { calls <- w.Run(t.Context(), e) }()
			for range 20 { // in the midst of it
				do(t, e, increment("n"))
			}
			if err := fault.begin(leader); err != nil {
				t.Fatal(err)
			}
			if err := storetest.CheckLinearizable(<-calls, patience); err != nil {
				t.Error(err)
			}
			eventually(t, "write with another leader", func() error {
				_, err := e.Do(t.Context(), increment("n"))
				return err
			})
			if err := fault.end(leader); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A connection is cut before a request gets there, or before its answer is back: increments tell which.
func TestAWriteWithoutAnAnswerIsDoneOnce(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	p := startProxy(t, members.Members()[0].Addr())
	e, err := etcd.Open(t.Context(), etcd.Options{Addresses: []string{p.address}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for made := int64(1); made <= 30; made++ {
		switch made % 3 {
		case 1:
			p.requests.Store(true)
		case 2:
			p.answers.Store(true)
		}
		if sum := do(t, e, increment("n")).Sum; sum != made {
			t.Fatalf("increment %d returned %d", made, sum)
		}
	}
}

// proxy forwards connections to a member. It closes the next connection that has a request, or an answer, to forward, if it
// is told to.
type proxy struct {
	address           string
	requests, answers atomic.Bool
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go forward(server, client, &p.requests)
			go forward(client, server, &p.answers)
		}
	}()
	return p
}

func forward(to, from net.Conn, cut *atomic.Bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || cut.CompareAndSwap(true, false) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Revisions go on far above those of the backup, or begin again at those: either way, nothing from what was lost matches.
func TestVersionsAndTokensOfALostHistoryNeverMatch(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"with higher revisions": nil, "with the same revisions again": {"--skip-hash-check"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members := etcdcluster.StartTest(t, etcdcluster.Config{})
			e := open(t, members, etcd.Options{Prefix: "p"})
			w := watch(t, e, store.WatchRequest{})
			kept := do(t, e, set("k", "kept")).Entry.Version
			backup := save(t, members)
			lost := map[store.Version]bool{}
			for range 10 {
				lost[do(t, e, set("k", "lost")).Entry.Version] = true
			}
			var token string
			for range 11 {
				token = next(t, w).Token
			}
			if err := members.Restore(t.Context(), backup, flags...); err != nil {
				t.Fatal(err)
			}
			eventually(t, "read what is in the backup", func() error {
				found, err := e.Do(t.Context(), get("k"))
				if err == nil && found.Entry.Version != kept {
					err = fmt.Errorf("the version is %v, want %v", found.Entry.Version, kept)
				}
				return err
			})
			for range 20 {
				op := set("k", "by the version before")
				op.Precondition = store.IfVersion(do(t, e, get("k")).Entry.Version)
				if again := do(t, e, op).Entry.Version; lost[again] {
					t.Errorf("version %v has been used before", again)
				}
			}
			wantError(t, "the watch", ending(t, w), store.ErrResumeTooOld)
			for _, engine := range []*etcd.Engine{e, open(t, members, etcd.Options{Prefix: "p"})} {
				_, err := engine.Watch(t.Context(), store.WatchRequest{Resume: token})
				wantError(t, "resuming", err, store.ErrResumeTooOld)
			}
		})
	}
}

// After a backup was restored, another engine writes an entry that gets the revision of one that was lost. An engine that
// remembers the lost one does not read it.
func TestALostEntryIsNotReadAgain(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	e := open(t, members, etcd.Options{Prefix: "p"})
	do(t, e, set("k", "kept"))
	backup := save(t, members)
	for range 20 {
		do(t, e, set("other", ""))
	}
	lost := do(t, e, set("k", "lost")).Entry.Version.Revision
	if err := members.Restore(t.Context(), backup, "--skip-hash-check"); err != nil {
		t.Fatal(err)
	}
	another := open(t, members, etcd.Options{Prefix: "p"})
	const transaction = 1 << 16 // between the revisions of two
	for do(t, another, set("other", "")).Entry.Version.Revision < lost-transaction {
	}
	if again := do(t, another, set("k", "found")).Entry.Version.Revision; again != lost {
		t.Fatalf("the revision is %d, want %d again", again, lost)
	}
	eventually(t, "read what there is now", func() error {
		results, err := e.Batch(t.Context(), []store.Operation{get("k")}, true)
		if err == nil && string(results[0].Entry.Value) != "found" {
			t.Fatalf("k has %q, want what was written after the backup was restored", results[0].Entry.Value)
		}
		return err
	})
}

// save writes a backup to a file.
func save(t *testing.T, members *etcdcluster.Cluster) string {
	t.Helper()
	from, err := members.Members()[0].Client().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	name := filepath.Join(t.TempDir(), "backup")
	to, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFullStoreRejectsWritesAndServesReads(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{Args: []string{"--quota-backend-bytes=16777216"}})
	e := open(t, members, etcd.Options{})
	value := strings.Repeat("v", 500_000)
	eventually(t, "fill etcd", func() error {
		if _, err := e.Do(t.Context(), set("k", value)); !errors.Is(err, store.ErrFull) {
			return fmt.Errorf("set = %w, want ErrFull", err)
		}
		return nil
	})
	if len(do(t, e, get("k")).Entry.Value) != len(value) {
		t.Error("a full store does not serve reads")
	}
	if stats, err := e.Stats(t.Context()); err != nil || stats.MaxMemory != 16<<20 {
		t.Errorf("stats are %+v, %v; want MaxMemory 16 MiB", stats, err)
	}
}

func TestAnAtomicBatchThatEtcdCannotTakeIsTooLarge(t *testing.T) {
	t.Parallel()
	e := open(t, etcdcluster.StartTest(t, etcdcluster.Config{}), etcd.Options{})
	var ops []store.Operation
	for i := range 1000 {
		op := set(fmt.Sprint(i), strings.Repeat("v", 5000))
		op.TTL = time.Hour
		ops = append(ops, op)
	}
	_, err := e.Batch(t.Context(), ops, true)
	wantError(t, "a batch of 5 MB", err, store.ErrTooLarge)
	if stats, err := e.Stats(t.Context()); err != nil || stats.Keys != 0 {
		t.Errorf("stats are %+v, %v; want no keys", stats, err)
	}
	for i := range ops {
		ops[i].Value = ops[i].Value[:100]
	}
	if _, err := e.Batch(t.Context(), ops, true); err != nil {
		t.Errorf("a batch of a thousand sets with TTLs: %v", err)
	}
	results, err := e.Batch(t.Context(), ops, false)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Error(err)
	}
}
