package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"key-value/kvservice/store"
)

// Journal is a set of concurrent writers that record their changes. Each writes and deletes its own keys. When all
// are done, one last key is written.
type Journal struct {
	Prefix  string // prefix of all keys
	Writers int
	Changes int // per writer
	Seed    uint64
}

// Last returns the key that is written last.
func (j Journal) Last() string { return j.Prefix + "last" }

// Write lets the writers make their changes, and returns them as [CheckWatch] expects them. It fails with the first
// error of a write.
func (j Journal) Write(ctx context.Context, s Store) ([]Change, error) {
	begin := time.Now()
	changes, errs := make([][]Change, j.Writers+1), make([]error, j.Writers+1)
	var writers sync.WaitGroup
	for id := range j.Writers {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(j.Seed, uint64(id)))
			for len(changes[id]) < j.Changes && errs[id] == nil {
				key := fmt.Sprintf("%s%d/%d", j.Prefix, id, random.IntN(5))
				var made []Change
				made, errs[id] = makeChange(ctx, s, key, random.IntN(3) == 0, begin)
				changes[id] = append(changes[id], made...)
			}
		})
	}
	writers.Wait()
	changes[j.Writers], errs[j.Writers] = makeChange(ctx, s, j.Last(), false, begin)
	return slices.Concat(changes...), errors.Join(errs...)
}

// makeChange writes or deletes key. It returns no change if there was nothing to delete.
func makeChange(ctx context.Context, s Store, key string, remove bool, begin time.Time) ([]Change, error) {
	c, op := Change{Type: store.Put, Key: key}, set(key, "v")
	if remove {
		c.Type, op = store.Deleted, del(key)
	}
	c.Begin = int64(time.Since(begin))
	result, err := s.Do(ctx, op)
	c.End = int64(time.Since(begin))
	if err != nil || remove && !result.Changed {
		return nil, err
	}
	c.Version = result.Entry.Version
	return []Change{c}, nil
}

// Watchable opens watches. An engine implements it, and so can a client of the service.
type Watchable interface {
	Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error)
}

// Follower collects the events of one watch over any number of interruptions.
type Follower struct {
	Store   Watchable
	Request store.WatchRequest
	Last    string      // the key of the last event
	Cut     func() bool // called after each event; returns whether to close and reopen the watch

	events  []store.Event
	watcher store.Watcher
}

// Open opens the watch, after the last event if there was one. Within a snapshot, which cannot be resumed, it
// discards the events and starts again.
func (f *Follower) Open(ctx context.Context) error {
	req := f.Request
	if token := f.token(); token != "" {
		req.Resume, req.Snapshot = token, false
	} else {
		f.events = nil
	}
	w, err := f.Store.Watch(ctx, req)
	if err != nil {
		return fmt.Errorf("watch %+v: %w", req, err)
	}
	f.watcher = w
	return nil
}

func (f *Follower) token() string {
	if len(f.events) == 0 {
		return ""
	}
	return f.events[len(f.events)-1].Token
}

// Events returns all events up to the last. The watch must be open, and is closed afterwards.
func (f *Follower) Events(ctx context.Context) ([]store.Event, error) {
	for !f.complete() {
		event, err := f.watcher.Next(ctx)
		if err != nil {
			f.watcher.Close()
			return f.events, fmt.Errorf("event %d: %w", len(f.events), err)
		}
		f.events = append(f.events, event)
		if f.Cut() && !f.complete() {
			f.watcher.Close()
			if err := f.Open(ctx); err != nil {
				return f.events, err
			}
		}
	}
	f.watcher.Close()
	return f.events, nil
}

// complete reports whether f has the last event and is not within a snapshot.
func (f *Follower) complete() bool {
	return f.token() != "" && slices.ContainsFunc(f.events, func(e store.Event) bool { return e.Entry.Key == f.Last })
}

var historyChecks = []Check{
	{"a watch that is interrupted and resumed at random delivers each change once and in order", func(t T, e store.Engine) {
		checkFollowers(t, e, false)
	}},
	{"a snapshot during writes misses nothing, together with the events after it", func(t T, e store.Engine) {
		checkFollowers(t, e, true)
	}},
	{"a get after an event sees the change", func(t T, e store.Engine) {
		w := open(t, e, store.WatchRequest{Key: "k"})
		defer w.Close()
		wantEvent(t, w, store.Sync, "", "")
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for i := range 500 {
				_, _ = e.Do(t.Context(), set("k", strconv.Itoa(i)))
			}
		})
		for i := range 500 {
			wantEvent(t, w, store.Put, "k", strconv.Itoa(i))
			if read, _ := strconv.Atoi(string(do(t, e, get("k")).Entry.Value)); read < i {
				t.Fatalf("after the event with value %d a get returns %d", i, read)
			}
		}
	}},
}

// checkFollowers checks the events of watches during concurrent writes.
func checkFollowers(t T, e store.Engine, snapshots bool) {
	t.Helper()
	for seed := range uint64(rounds(5)) {
		j := Journal{Prefix: fmt.Sprintf("journal/%d/", seed), Writers: 4, Changes: 200, Seed: seed}
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // a store on several disks may take long for each write
		defer cancel()
		if err := followWriters(ctx, e, j, snapshots); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// followWriters returns an error unless watches deliver the changes of j: a few that are open from the start or, with
// snapshots, one that is opened after every 20 changes.
func followWriters(ctx context.Context, e store.Engine, j Journal, snapshots bool) error {
	c := &followerGroup{engine: e, journal: j}
	pacer := Follower{Store: e, Request: store.WatchRequest{Prefix: j.Prefix}, Last: j.Last(), Cut: func() bool { return false }}
	if err := pacer.Open(ctx); err != nil {
		return err
	}
	for range 4 {
		c.join(ctx, false)
	}
	paced := 0
	pacer.Cut = func() bool {
		if paced++; snapshots && paced%20 == 0 {
			c.join(ctx, true)
		}
		return false
	}
	var pacing sync.WaitGroup
	pacing.Go(func() { _, _ = pacer.Events(ctx) })
	changes, err := j.Write(ctx, e)
	pacing.Wait()
	return errors.Join(err, c.check(changes))
}

// followerGroup is a group of active followers.
type followerGroup struct {
	engine    store.Engine
	journal   Journal
	followers []*Follower
	events    sync.WaitGroup

	mu   sync.Mutex
	errs []error // guarded by mu
}

// join opens another watch and follows it. The watch is interrupted after about one event in 20.
func (c *followerGroup) join(ctx context.Context, snapshot bool) {
	random := rand.New(rand.NewPCG(c.journal.Seed, uint64(len(c.followers))))
	f := &Follower{
		Store:   c.engine,
		Request: store.WatchRequest{Prefix: c.journal.Prefix, Snapshot: snapshot},
		Last:    c.journal.Last(),
		Cut:     func() bool { return random.IntN(20) == 0 },
	}
	err := f.Open(ctx)
	c.note(err)
	if err == nil {
		c.followers = append(c.followers, f)
		c.events.Go(func() {
			_, err := f.Events(ctx)
			c.note(err)
		})
	}
}

func (c *followerGroup) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// check waits for all followers to finish, and returns their errors.
func (c *followerGroup) check(changes []Change) error {
	c.events.Wait()
	for _, f := range c.followers {
		c.note(CheckWatch(changes, f.events, f.Request.Snapshot))
	}
	return errors.Join(c.errs...)
}
