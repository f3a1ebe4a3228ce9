package storetest_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"key-value/kvservice/store"
)

// bug is a way in which an engine can violate the contract.
type bug string

const (
	none                bug = "no bug"
	lostDelete          bug = "some deletes are acknowledged but not performed"
	resumeTooLate       bug = "a watch resumes one change too late"
	resumeTooEarly      bug = "a watch resumes one change too early"
	resumeWithoutSync   bug = "a watch that resumes says nothing until something changes"
	versionComesBack    bug = "versions start from one again when a key is created again"
	earlyCheck          bug = "a precondition is checked outside the lock"
	earlyEvent          bug = "an event is published before its write"
	lateRead            bug = "reads see a write late"
	lateExpiry          bug = "an entry still exists at its deadline"
	silentExpiry        bug = "an expiry is delivered only when the key is accessed"
	batchInSteps        bug = "an atomic batch is visible halfway"
	batchWithoutUndo    bug = "a failed atomic batch is not rolled back"
	incrementDropsTTL   bug = "an increment removes the TTL"
	setDropsKeptTTL     bug = "a set that keeps the TTL removes it"
	pageSkips           bug = "a page after a deleted key skips the next key"
	snapshotBeforeWatch bug = "a watch starts later than its snapshot"
	deleteWithoutNumber bug = "a delete takes no revision of its own"
	touchWithValue      bug = "the event of a touch has the value"
	withoutRoom         bug = "a watch does not wait for memory"
	prefixTwice         bug = "a rolled-up prefix is on the next page too"
	reverseIgnored      bug = "a listing in reverse is not"
	rangeInSteps        bug = "the deletion of a range is visible halfway"
	rangeWithEnd        bug = "the deletion of a range includes its end"
	rangeWithoutEvents  bug = "the deletion of a range does not reach watches"
	dryRunDeletes       bug = "a dry run deletes"
)

// reference is the simplest possible engine: one lock, one map, and a history that is never trimmed.
type reference struct {
	bug bug

	mu       sync.Mutex
	entries  map[string]store.Entry // guarded by mu, like everything below
	late     map[string]store.Entry // what reads see with bug lateRead
	revision uint64
	writes   map[string]uint64 // :: key → number of writes since it was created
	history  []store.Event     // event i has revision i+1
	changed  chan struct{}     // closed and replaced at each event
	stats    store.Stats
	now      time.Time // of the current operation
	closed   bool
}

func newReference(b bug) *reference {
	return &reference{
		bug: b, entries: map[string]store.Entry{}, late: map[string]store.Entry{}, writes: map[string]uint64{},
		changed: make(chan struct{}),
		stats:   store.Stats{StartTime: time.Now().Round(0), Guarantees: store.Guarantees{Engine: "reference", AtomicAcrossKeys: true}},
	}
}

// left returns the time from now until an entry expires, zero if it never does.
func left(expires, now time.Time) time.Duration {
	if expires.IsZero() {
		return 0
	}
	return expires.Sub(now)
}

// pause lets other goroutines run between two steps that a bug has separated.
func (r *reference) pause() {
	r.mu.Unlock()
	runtime.Gosched()
	r.mu.Lock()
}

func (r *reference) Do(_ context.Context, op store.Operation) (store.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apply(op)
}

func (r *reference) Batch(_ context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	entries, revision, history, stats := maps.Clone(r.entries), r.revision, len(r.history), r.stats
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		result, err := r.apply(op)
		if err != nil && atomic {
			r.stats = stats
			if r.bug != batchWithoutUndo {
				r.entries, r.revision, r.history = entries, revision, r.history[:history]
			}
			return nil, &store.BatchError{Index: i, Err: err}
		}
		results[i] = result
		results[i].Err = err
		if r.bug == batchInSteps {
			r.pause()
		}
	}
	return results, nil
}

func (r *reference) apply(op store.Operation) (store.Result, error) {
	r.sweep()
	old, exists := r.entries[op.Key]
	switch op.Kind {
	case store.Get:
		return r.get(op)
	case store.Increment:
		return r.increment(op, old, exists)
	}
	if err := op.Precondition.Check(exists, old.Version); err != nil {
		return store.Result{}, err
	}
	if r.bug == earlyCheck && op.Precondition != (store.Precondition{}) {
		r.pause()
		old, exists = r.entries[op.Key]
	}
	switch {
	case op.Kind == store.Delete:
		return r.remove(op.Key, exists), nil
	case op.Kind == store.Touch && !exists:
		return store.Result{}, store.ErrNotFound
	case op.Kind == store.Touch:
		return store.Result{Entry: r.put(store.Touched, op.Key, old.Value, r.end(op.TTL))}, nil
	}
	expires := r.end(op.TTL)
	if op.KeepTTL && r.bug != setDropsKeptTTL {
		expires = old.ExpireTime
	}
	return store.Result{Entry: r.put(store.Put, op.Key, op.Value, expires), Changed: !exists}, nil
}

func (r *reference) end(ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return r.now.Add(ttl)
}

func (r *reference) get(op store.Operation) (store.Result, error) {
	entries := r.entries
	if r.bug == lateRead {
		entries = r.late
	}
	entry, ok := entries[op.Key]
	if !ok {
		r.count(&r.stats.Misses, op)
		if op.AllowMissing {
			return store.Result{}, nil
		}
		return store.Result{}, store.ErrNotFound
	}
	r.count(&r.stats.Hits, op)
	return store.Result{Entry: entry}, nil
}

func (r *reference) count(reads *int64, op store.Operation) {
	if !op.Uncounted {
		*reads++
	}
}

func (r *reference) increment(op store.Operation, old store.Entry, exists bool) (store.Result, error) {
	from, expires := op.Initial, r.end(op.TTL)
	if exists {
		n, err := strconv.ParseInt(string(old.Value), 10, 64)
		if err != nil {
			return store.Result{}, store.ErrNotInteger
		}
		if from, expires = n, old.ExpireTime; r.bug == incrementDropsTTL {
			expires = time.Time{}
		}
	}
	sum := from + op.Delta
	if (sum < from) != (op.Delta < 0) {
		return store.Result{}, store.ErrOverflow
	}
	return store.Result{Entry: r.put(store.Put, op.Key, strconv.AppendInt(nil, sum, 10), expires), Sum: sum}, nil
}

func (r *reference) put(kind store.EventType, key string, value []byte, expires time.Time) store.Entry {
	r.revision++
	entry := store.Entry{
		Key: key, Value: append([]byte{}, value...), UpdateTime: r.now, ExpireTime: expires, TTL: left(expires, r.now),
		Version: store.Version{Epoch: 1, Revision: r.revision},
	}
	if r.writes[key]++; r.bug == versionComesBack {
		entry.Version.Revision = r.writes[key]
	}
	if r.bug == earlyEvent {
		r.publish(kind, entry)
		r.pause()
		r.entries[key] = entry
	} else {
		r.entries[key] = entry
		r.publish(kind, entry)
	}
	if expires != (time.Time{}) && r.bug != silentExpiry {
		time.AfterFunc(time.Until(expires), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sweep()
		})
	}
	entry.Value = nil
	return entry
}

func (r *reference) remove(key string, exists bool) store.Result {
	if exists && (r.bug != lostDelete || r.revision%3 != 0) {
		r.drop(key, store.Deleted)
	}
	if !exists {
		return store.Result{}
	}
	return store.Result{Changed: true, Revision: r.revision}
}

func (r *reference) drop(key string, kind store.EventType) {
	if r.bug != deleteWithoutNumber {
		r.revision++
	}
	delete(r.entries, key)
	delete(r.writes, key)
	r.publish(kind, store.Entry{Key: key})
}

func (r *reference) publish(kind store.EventType, entry store.Entry) {
	if kind == store.Touched && r.bug != touchWithValue {
		entry.Value = nil
	}
	if r.revision%2 == 0 {
		r.late = maps.Clone(r.entries)
	}
	r.history = append(r.history, store.Event{
		Type: kind, Entry: entry, Revision: r.revision, Token: r.token(len(r.history) + 1),
	})
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *reference) token(position int) string { return "reference-" + strconv.Itoa(position) }

func (r *reference) sweep() {
	r.now = time.Now()
	now := r.now
	if r.bug == lateExpiry {
		now = now.Add(-1)
	}
	for _, key := range slices.Sorted(maps.Keys(r.entries)) {
		if expires := r.entries[key].ExpireTime; !expires.IsZero() && !now.Before(expires) {
			r.stats.Expirations++
			r.drop(key, store.Expired)
		}
	}
}

func (r *reference) List(_ context.Context, req store.ListRequest) (store.Page, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(req), nil
}

func (r *reference) list(req store.ListRequest) store.Page {
	r.sweep()
	rest := req.Rest()
	if prefix, rolled := req.RollUp(req.After); rolled && r.bug == prefixTwice && !req.Reverse {
		rest.Start = prefix + "\x00"
	}
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(r.entries)), func(key string) bool { return !rest.Has(key) })
	if req.Reverse && r.bug != reverseIgnored {
		slices.Reverse(keys)
	}
	if _, ok := r.entries[req.After]; r.bug == pageSkips && req.After != "" && !ok && len(keys) > 0 {
		keys = keys[1:]
	}
	var page store.Page
	bytes := 0
	for _, key := range keys {
		prefix, rolled := req.RollUp(key)
		if rolled && slices.Contains(page.Prefixes, prefix) {
			continue
		}
		entry := r.entries[key]
		if rolled {
			entry = store.Entry{Key: prefix}
		}
		if req.KeysOnly {
			entry.Value = nil
		}
		bytes += len(entry.Key) + len(entry.Value)
		if n := page.Len(); n == req.Limit || n > 0 && bytes > req.MaxBytes {
			page.More = true
			break
		}
		if rolled {
			page.Prefixes = append(page.Prefixes, prefix)
		} else {
			page.Entries = append(page.Entries, entry)
		}
	}
	return page
}

func (r *reference) DeleteRange(_ context.Context, req store.RangeRequest) (store.RangeResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bug == rangeWithEnd && req.End != "" {
		req.End += "\x00"
	}
	page := r.list(store.ListRequest{
		Prefix: req.Prefix, Start: req.Start, End: req.End, After: req.After, Limit: req.Limit, MaxBytes: 1 << 30,
	})
	result := store.RangeResult{Deleted: len(page.Entries), More: page.More}
	for _, entry := range page.Entries {
		result.Last = entry.Key
		switch {
		case req.DryRun && r.bug != dryRunDeletes:
		case r.bug == rangeWithoutEvents:
			r.revision++
			delete(r.entries, entry.Key)
		default:
			r.drop(entry.Key, store.Deleted)
		}
		if r.bug == rangeInSteps {
			r.pause()
		}
	}
	return result, nil
}

func (r *reference) Stats(context.Context) (store.Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	stats := r.stats
	stats.Run, stats.Uptime = "reference", time.Since(r.stats.StartTime)
	stats.Keys = int64(len(r.entries))
	for _, entry := range r.entries {
		stats.MemoryBytes += int64(len(entry.Key) + len(entry.Value))
	}
	return stats, nil
}

func (r *reference) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}
