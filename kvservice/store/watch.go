package store

import (
	"context"
	"strings"
	"time"
)

// SyncInterval is how long a watch may go without an event before it gets one of type Sync. It is less than the 30 to 60 s
// after which many proxies close a connection on which nothing moves.
const SyncInterval = 15 * time.Second

// WatchRequest says what to watch and where to start.
type WatchRequest struct {
	Key      string // the key to watch; empty: watch Prefix
	Prefix   string // prefix of the keys to watch; empty: all keys
	Resume   string // the Token of the event to continue after; empty: start now
	Snapshot bool   // start with the existing entries
	Room     Room   // grants memory for events; nil: there is always some
}

// Room grants the memory for the events of one watch.
//
// A Watcher calls one of its methods before each event of type Put. While it waits, it keeps its position and no entry.
type Room interface {
	// Take takes memory for the next event, whose key and value have n bytes, and reports whether there was enough.
	Take(n int) bool
	// Wait takes that once there is enough, or fails once ctx is done.
	Wait(ctx context.Context, n int) error
}

// Target returns what the request covers.
func (r WatchRequest) Target() Target {
	if r.Key != "" {
		return Target{Name: r.Key, Single: true}
	}
	return Target{Name: r.Prefix}
}

// Target is what a watch covers: a single key, or all keys with a prefix.
type Target struct {
	Name   string // the key or the prefix
	Single bool   // whether Name is a key
}

// Matches reports whether t covers key.
func (t Target) Matches(key string) bool {
	if t.Single {
		return key == t.Name
	}
	return strings.HasPrefix(key, t.Name)
}

// EventType is the type of an [Event].
type EventType uint8

// The types of events.
const (
	// Put: the entry was written. The event has the whole entry.
	Put EventType = iota + 1
	// Deleted: the entry was deleted. The event has its key.
	Deleted
	// Expired: the TTL of the entry elapsed. The event has its key. There is one for each expiry.
	Expired
	// Evicted: the entry was evicted to free memory. The event has its key.
	Evicted
	// Sync: all earlier changes have been delivered. A Sync ends a snapshot, begins a watch without one, and follows
	// what a watch that resumes has missed. It is also sent when there is no other event for [SyncInterval]. It has no
	// entry.
	Sync
	// Touched: only the TTL of the entry changed. The event has the entry without its value.
	Touched
)

// Event is one change.
type Event struct {
	Type     EventType
	Entry    Entry
	Revision uint64 // of the change, or of the version that a snapshot has; of a Sync: all changes up to it are delivered
	Token    string // resumes the watch right after this event; empty within a snapshot
}

// Watcher delivers the changes of one watch, each exactly once and in the order in which they happened.
//
// A watch without Resume begins with its snapshot, if it has one, and an event of type Sync, so that there is a token
// from the start. A snapshot is an event of type Put for each existing entry. Changes made while it is read may follow
// as further events before the Sync, so the last event of each key says what exists at the Sync.
//
// A watch with Resume begins with the changes that it missed, if there are any, up to its opening at least, and a Sync, at
// once. So every watch has an event as soon as it is open.
//
// A watch that is idle for [SyncInterval] gets another Sync. It shows everything on the way that the watch is alive, and its
// token is fresh: that of the last change would eventually be too old to resume from if other keys change.
//
// A change is in the history before the write is acknowledged. Writers never wait for a watcher.
type Watcher interface {
	// Next waits for the next event. It fails with [ErrResumeTooOld] if the watcher is so far behind that the next
	// change is no longer kept, with [ErrClosed] if the engine was closed, and with the error of ctx. It must not be
	// called concurrently.
	Next(ctx context.Context) (Event, error)
	// Close ends the watch. Next must not be called afterwards.
	Close()
}
