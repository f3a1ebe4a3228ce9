package cache_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/client"
	"key-value/client/cache"
	"key-value/internal/testkit/cutproxy"
	"key-value/kvservice/store/memory"
)

// version is a version of a key. Its value is "" from when the key was deleted.
type version struct {
	revision uint64
	value    string
}

// truth is all versions of each key, in their order.
type truth map[string][]version

// find returns the first revision from from on at which key had value.
func (h truth) find(key, value string, from uint64) (uint64, bool) {
	versions := append([]version{{}}, h[key]...)
	for i, v := range versions {
		if v.value == value && (i+1 == len(versions) || versions[i+1].revision > from) {
			return max(from, v.revision), true
		}
	}
	return 0, false
}

// read is what a cache returned for a key.
type read struct {
	key, value string
	least      uint64 // a revision that it must not be older than
}

// check returns an error unless reads, one after the other, show the store at revisions that never go back.
func (h truth) check(reads []read) error {
	at := uint64(0)
	for i, r := range reads {
		from := max(at, r.least)
		found, ok := h.find(r.key, r.value, from)
		if !ok {
			return fmt.Errorf("read %d of %d: %s is %q, which it was not at or after revision %d (reads got to %d, the reader waited for %d)",
				i, len(reads), r.key, r.value, from, at, r.least)
		}
		at = found
	}
	return nil
}

// subject is a cache, or one that is meant to be found wrong.
type subject interface {
	Get(key string) (client.Entry, bool)
	WaitRevision(ctx context.Context, revision uint64) error
}

// journal collects what concurrent writers and readers of a subject do.
type journal struct {
	subject subject
	// read reads a key of the subject. An error means that there was no answer.
	read func(key string) (client.Entry, bool, error)
	// perKey says that reads of one key may be fresher than those of another, as with GetFresh.
	perKey bool

	mu     sync.Mutex
	writes truth    // guarded by mu
	reads  [][]read // of each reader; guarded by mu
}

// wrote records a write that was acknowledged.
func (j *journal) wrote(key, value string, revision uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes[key] = append(j.writes[key], version{revision, value})
}

// look appends a read of key to reads. Of more than two that are the same, it keeps two, because others show nothing.
func (j *journal) look(reads []read, key string, least uint64) []read {
	entry, ok, err := j.read(key)
	r := read{key, string(entry.Value), least}
	if n := len(reads); err != nil || ok == (r.value == "") || n > 1 && reads[n-1] == r && reads[n-2] == r {
		return reads
	}
	return append(reads, r)
}

// readAll reads random keys until done is closed.
func (j *journal) readAll(done <-chan struct{}, keys []string) {
	var reads []read
	for {
		select {
		case <-done:
			j.keep(reads)
			return
		default:
		}
		time.Sleep(10 * time.Microsecond) // leaves time for the others
		reads = j.look(reads, keys[rand.IntN(len(keys))], 0)
	}
}

func (j *journal) keep(reads []read) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads = append(j.reads, reads)
}

// write makes n random changes and reads each of them.
func (j *journal) write(ctx context.Context, kv *client.Client, writer, n int, keys []string) error {
	var reads []read
	defer func() { j.keep(reads) }()
	for step := range n {
		key, value := keys[rand.IntN(len(keys))], fmt.Sprintf("%d/%d", writer, step)
		op := client.OpSet(key, []byte(value))
		if rand.IntN(4) == 0 {
			op, value = client.OpDelete(key), ""
		}
		results, err := kv.Batch(ctx, append(noise(), op)...)
		if err != nil {
			return err
		}
		revision := results[len(results)-1].Revision
		if revision == 0 { // there was nothing to delete
			continue
		}
		j.wrote(key, value, revision)
		if rand.IntN(3) > 0 {
			continue
		}
		if err := j.subject.WaitRevision(ctx, revision); err != nil {
			return fmt.Errorf("WaitRevision of %s=%s: %w", key, value, err)
		}
		reads = j.look(reads, key, revision)
	}
	return nil
}

// noise returns changes that make the history of the store forget older ones.
func noise() []client.Operation {
	ops := make([]client.Operation, rand.IntN(4))
	for i := range ops {
		ops[i] = client.OpSet(fmt.Sprintf("still/%02d", rand.IntN(40)), make([]byte, 100))
	}
	return ops
}

// check returns the first thing that is wrong.
func (j *journal) check() error {
	for _, versions := range j.writes {
		slices.SortFunc(versions, func(a, b version) int { return cmp.Compare(a.revision, b.revision) })
	}
	for _, reads := range j.reads {
		for _, some := range j.split(reads) {
			if err := j.writes.check(some); err != nil {
				return err
			}
		}
	}
	return nil
}

// split returns the reads that must be in one order.
func (j *journal) split(reads []read) map[string][]read {
	if !j.perKey {
		return map[string][]read{"": reads}
	}
	of := map[string][]read{}
	for _, r := range reads {
		of[r.key] = append(of[r.key], r)
	}
	return of
}

// work lets writers change the store behind direct while readers read the subject, and checks what they saw.
func work(t *testing.T, direct *client.Client, s subject, changes int) error {
	return (&journal{subject: s, read: func(key string) (client.Entry, bool, error) {
		entry, ok := s.Get(key)
		return entry, ok, nil
	}}).work(t, direct, changes)
}

func (j *journal) work(t *testing.T, direct *client.Client, changes int) error {
	j.writes = truth{}
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%02d", i)
	}
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() { j.readAll(done, keys) })
	}
	var failed atomic.Pointer[error]
	for i := range 3 {
		writers.Go(func() {
			if err := j.write(bounded(t), direct, i, changes, keys); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return j.check()
}

// stage is a store whose history is short, so that a cut of a watch often means a new snapshot, and a client of it whose
// connections are cut after at most about most bytes.
func stage(t *testing.T, most int64) (direct, cut *client.Client, p *cutproxy.Proxy) {
	engine := memory.New(memory.Options{HistoryBytes: 3_000})
	t.Cleanup(func() { _ = engine.Close() })
	url := serve(t, engine)
	direct = dial(t, url)
	for i := range 40 { // the snapshot takes a while
		set(t, direct, fmt.Sprintf("still/%02d", i), string(make([]byte, 100)))
	}
	p = cutproxy.New(t, url, func() int64 { return 200 + rand.Int64N(most) })
	return direct, dial(t, p.URL), p
}

func TestReadsOfACacheNeverGoBackAndSeeOwnWrites(t *testing.T) {
	t.Parallel()
	direct, kv, p := stage(t, 30_000)
	if err := work(t, direct, open(t, kv), 150); err != nil {
		t.Error(err)
	}
	if p.Count() < 5 {
		t.Errorf("the watch was cut %d times, too few to prove anything", p.Count())
	}
}

// GetFresh moves one key ahead of the watch, and Fetch reads keys on demand at any time.
func TestReadsOfOneKeyNeverGoBackWhateverTheyAre(t *testing.T) {
	t.Parallel()
	found := func(entry client.Entry, err error) (client.Entry, bool, error) {
		if errors.Is(err, client.ErrNotFound) {
			return client.Entry{}, false, nil
		}
		return entry, err == nil, err
	}
	rows := map[string]struct {
		opts []cache.Option
		read func(c *cache.Cache, key string) (client.Entry, bool, error)
	}{
		"GetFresh": {nil, func(c *cache.Cache, key string) (client.Entry, bool, error) {
			if rand.IntN(20) == 0 {
				return found(c.GetFresh(bounded(t), key))
			}
			entry, ok := c.Get(key)
			return entry, ok, nil
		}},
		"Fetch": {[]cache.Option{cache.OnDemand(10 * 300)}, func(c *cache.Cache, key string) (client.Entry, bool, error) {
			return found(c.Fetch(bounded(t), key))
		}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, kv, p := stage(t, 10_000)
			c := open(t, kv, append(row.opts, cache.Prefix("k"))...)
			j := &journal{subject: c, perKey: true, read: func(key string) (client.Entry, bool, error) { return row.read(c, key) }}
			if err := j.work(t, direct, 150); err != nil {
				t.Error(err)
			}
			if p.Count() < 2 {
				t.Errorf("connections were cut %d times, too few to prove anything", p.Count())
			}
		})
	}
}

// fault is a mistake that a cache could make.
type fault string

const (
	noFault         fault = "none"
	clearsAtOnce    fault = "a new snapshot is visible before it is complete"
	keepsWhatIsGone fault = "what a new snapshot lacks stays"
	ignoresDeletes  fault = "deletions are ignored"
	doesNotWait     fault = "WaitRevision does not wait"
	waitsForAny     fault = "WaitRevision waits for the next change"
	appliesLate     fault = "a change is applied after the next one"
	forgetsSome     fault = "a change gets lost"
	remembers       fault = "a reader gets an older version now and then"
)

// plain is a cache in the simplest way, with a fault.
type plain struct {
	fault fault

	mu       sync.Mutex
	changed  chan struct{}           // closed at the next change; guarded by mu
	entries  map[string]client.Entry // guarded by mu
	next     map[string]client.Entry // a snapshot that is not complete; guarded by mu
	earlier  map[string]client.Entry // older versions; guarded by mu
	late     *client.Event           // guarded by mu
	position uint64                  // guarded by mu
}

// follow returns a plain cache of kv that has its first snapshot.
func follow(t *testing.T, kv *client.Client, f fault) *plain {
	p := &plain{fault: f, changed: make(chan struct{}), entries: map[string]client.Entry{}, next: map[string]client.Entry{}, earlier: map[string]client.Entry{}}
	ctx, cancel := context.WithCancel(bounded(t))
	var watch sync.WaitGroup
	watch.Go(func() {
		for event, err := range kv.Watch(ctx, "", client.FromSnapshot(), client.StartOver()) {
			if err == nil {
				p.apply(event)
			}
		}
	})
	t.Cleanup(func() { cancel(); watch.Wait() })
	if err := p.WaitRevision(ctx, 1); err != nil && f != doesNotWait {
		t.Fatal(err)
	}
	return p
}

func (p *plain) Get(key string) (client.Entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.earlier[key]; ok && p.fault == remembers && rand.IntN(50) == 0 {
		return old, true
	}
	entry, ok := p.entries[key]
	return entry, ok
}

func (p *plain) WaitRevision(ctx context.Context, revision uint64) error {
	if p.fault == doesNotWait {
		return nil
	}
	for {
		p.mu.Lock()
		reached, changed := p.position >= revision, p.changed
		p.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.fault == waitsForAny {
			return nil
		}
	}
}

func (p *plain) apply(event client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case event.Type == client.EventReset && p.fault == clearsAtOnce:
		clear(p.entries)
	case event.Type == client.EventReset && p.fault == keepsWhatIsGone:
	case event.Type == client.EventReset:
		p.next = map[string]client.Entry{}
	case event.Type == client.EventSync && p.next != nil:
		p.entries, p.next = p.next, nil
		p.position = 0
	case event.Type == client.EventSync:
	case p.fault == forgetsSome && event.ResumeToken != "" && rand.IntN(20) == 0:
	case p.fault == appliesLate && event.ResumeToken != "":
		if p.late != nil {
			p.change(*p.late)
		}
		p.late = &event
	default:
		p.change(event)
	}
	if event.ResumeToken != "" {
		p.position = max(p.position, event.Revision)
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

func (p *plain) change(event client.Event) {
	entries := p.entries
	if p.next != nil {
		entries = p.next
	}
	switch event.Type {
	case client.EventPut:
		if old, ok := entries[event.Entry.Key]; ok {
			p.earlier[event.Entry.Key] = old
		}
		entries[event.Entry.Key] = event.Entry
	case client.EventDelete:
		if p.fault != ignoresDeletes {
			delete(entries, event.Entry.Key)
		}
	}
}

// The check finds each fault in a few runs, and nothing in a cache without one.
func TestTheCheckOfReadsFindsSeededBugs(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{
		noFault, clearsAtOnce, keepsWhatIsGone, ignoresDeletes, doesNotWait, waitsForAny, appliesLate, forgetsSome, remembers,
	} {
		t.Run(string(f), func(t *testing.T) {
			var err error
			for run := 0; run < 10 && err == nil; run++ {
				direct, kv, _ := stage(t, 30_000)
				err = work(t, direct, follow(t, kv, f), 100)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				if f == noFault && err == nil {
					return
				}
			}
			switch {
			case f == noFault:
				t.Errorf("a cache without a fault is said to be wrong: %v", err)
			case err == nil:
				t.Error("the check does not find it")
			}
		})
	}
}
