package store

import (
	"context"
	"time"
)

// SyncInterval is how long a watch may go without an event before it gets one of type Sync, if the store has
// changed elsewhere meanwhile.
const SyncInterval = 15 * time.Second

// WatchRequest says what to watch and from where.
type WatchRequest struct {
	Key      string // the one key to watch; empty: watch Prefix
	Prefix   string // what the keys begin with; empty: every key
	Resume   string // the Token of the event to continue behind; empty: from now on
	Snapshot bool   // begin with what exists
}

// EventType says what happened.
type EventType uint8

// What can happen to a key.
const (
	// Put: the entry was written or its TTL changed. The event carries the whole entry.
	Put EventType = iota + 1
	// Deleted: the entry was deleted. The event carries the key.
	Deleted
	// Expired: the entry's TTL elapsed. The event carries the key, once for each expiry.
	Expired
	// Evicted: the entry was removed to make room. The event carries the key.
	Evicted
	// Sync: all that happened before this event has been delivered. It ends a snapshot, begins a watch
	// without one, and comes now and then to a watch that has nothing else to say. It carries no entry.
	Sync
)

// Event is one change.
type Event struct {
	Type  EventType
	Entry Entry
	Token string // resumes the watch behind this event; empty inside a snapshot
}

// Watcher delivers the changes of one watch, each exactly once and in the order in which they happened.
// A watch without Resume begins with an event of type Sync, after its snapshot if it has one, so that
// there is a token from the first moment on. A snapshot is an event of type Put for each entry, and may
// go on with what changed while it was read, so that with the last event of each key it is what exists
// at the Sync. A watch that is idle for [SyncInterval] while other keys change gets another one: with the
// token of its last own event alone, it would one day be too old to resume.
//
// A change is in the history before it is acknowledged to who made it. Writers never wait for a watcher.
type Watcher interface {
	// Next waits for the next event. It fails with [ErrResumeTooOld] when the watcher has fallen so far
	// behind that the next change is no longer kept, with [ErrClosed] when the engine was closed, and
	// with ctx's error. It may not be called at the same time from two goroutines.
	Next(ctx context.Context) (Event, error)
	// Close ends the watch. Next may not be called afterwards.
	Close()
}
