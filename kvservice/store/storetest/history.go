package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

	"key-value/kvservice/store"
)

var historyChecks = []Check{
	{"a watch that is cut and resumed at random has each change once and in order", func(t T, e store.Engine) {
		checkFollowers(t, e, false)
	}},
	{"a snapshot that is read while others write misses nothing, with the events behind it", func(t T, e store.Engine) {
		checkFollowers(t, e, true)
	}},
	{"who hears of a change finds it done", func(t T, e store.Engine) {
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
				t.Fatalf("the watch has value %d and a get after it still %d", i, read)
			}
		}
	}},
}

// checkFollowers has watches follow some writers, and checks what they deliver.
func checkFollowers(t T, e store.Engine, snapshots bool) {
	t.Helper()
	for seed := range uint64(5) {
		j := Journal{Prefix: fmt.Sprintf("journal/%d/", seed), Writers: 4, Changes: 200, Seed: seed}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := followWriters(ctx, e, j, snapshots); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// followWriters returns what is wrong with what watches deliver of the changes of j: a few that are open from
// the beginning, or, with snapshots, one that is opened after every 20 changes.
func followWriters(ctx context.Context, e store.Engine, j Journal, snapshots bool) error {
	c := &crowd{engine: e, journal: j}
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

// crowd is followers that are at work.
type crowd struct {
	engine    store.Engine
	journal   Journal
	followers []*Follower
	events    sync.WaitGroup

	mu   sync.Mutex
	errs []error // guarded by mu
}

// join opens one more watch and has it followed. It is cut about once in 20 events.
func (c *crowd) join(ctx context.Context, snapshot bool) {
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

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// check waits for the last event of all, and returns what is wrong with them.
func (c *crowd) check(changes []Change) error {
	c.events.Wait()
	for _, f := range c.followers {
		c.note(CheckWatch(changes, f.events, f.Request.Snapshot))
	}
	return errors.Join(c.errs...)
}
