package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"key-value/kvservice/store"
)

// Journal is writers that record their changes. Each writes and deletes keys of its own, and when all are
// done, one more key is written.
type Journal struct {
	Prefix  string // of all keys
	Writers int
	Changes int // of each writer
	Seed    uint64
}

// Last is the key that is written last.
func (j Journal) Last() string { return j.Prefix + "last" }

// Write has the writers make their changes and returns them, as [CheckWatch] wants them. It fails with the
// first error of a write.
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

// Watchable is what opens watches: an engine, or a client of the service.
type Watchable interface {
	Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error)
}

// Follower collects the events of one watch over any number of cuts.
type Follower struct {
	Store   Watchable
	Request store.WatchRequest
	Last    string      // the key whose event is the last one
	Cut     func() bool // called after each event: whether to close the watch and to open it again

	events  []store.Event
	watcher store.Watcher
}

// Open opens the watch, or opens it again behind the last event. Within a snapshot, which cannot be resumed,
// it forgets the events and begins anew.
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

// Events returns all events up to the last one. The watch must be open, and is closed afterwards.
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

// complete says whether f has the last event, and is not inside a snapshot.
func (f *Follower) complete() bool {
	return f.token() != "" && slices.ContainsFunc(f.events, func(e store.Event) bool { return e.Entry.Key == f.Last })
}
