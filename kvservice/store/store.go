// Package store says what a storage engine must do.
//
// Every engine obeys the contract written on [Engine]; package storetest enforces it. Keys and values
// reach an engine already checked against the limits of the contract in proto/; an engine adds only
// what it alone can know: versions, preconditions, time and room.
package store

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Engine holds entries.
//
// All methods may be called at the same time. Operations on one key, and atomic batches, are
// linearizable unless [Guarantees] says otherwise. An entry is gone at the instant its TTL elapses:
// from then on it is not read, listed, counted or matched by a precondition. A method that fails has
// changed nothing, unless its error is [ErrUnknownOutcome].
type Engine interface {
	// Do carries out one operation. It fails with the sentinel errors of this package.
	Do(ctx context.Context, op Operation) (Result, error)

	// Batch carries out operations in order. If atomic, all of them take effect at one instant, each
	// seeing those before it, or, if one fails, none does and the error is a [*BatchError]. If not
	// atomic, each stands for itself and its error is in its result.
	Batch(ctx context.Context, ops []Operation, atomic bool) ([]Result, error)

	// List returns a page of entries in byte order of their keys. A key that is there throughout a
	// series of pages is seen exactly once.
	List(ctx context.Context, req ListRequest) (Page, error)

	// Watch opens a watch. It fails with [ErrResumeTooOld] or [ErrTokenInvalid].
	Watch(ctx context.Context, req WatchRequest) (Watcher, error)

	// Stats describes the engine at this moment.
	Stats(ctx context.Context) (Stats, error)

	// Close frees what the engine holds and ends its watches with [ErrClosed]. No other method may be
	// called afterwards.
	Close() error
}

// Entry is a key and what is stored under it, in one version.
type Entry struct {
	Key        string
	Value      []byte    // shared between callers, never to be written to
	Version    Version   // unique among all entries, for ever
	UpdateTime time.Time // when this version was written
	ExpireTime time.Time // when the entry expires; zero: never
}

// ListRequest says which page to return.
type ListRequest struct {
	Prefix   string // what the keys begin with; empty: every key
	After    string // the page starts behind this key; empty: at the first. It need not exist
	Limit    int    // the most entries, at least 1
	MaxBytes int    // stop after the entry with which keys and values pass this many bytes; at least 1
	KeysOnly bool   // leave values out
}

// Page is a part of a listing.
type Page struct {
	Entries []Entry
	More    bool // whether there may be entries behind the last one
}

// Stats is what an engine holds and what it did since it was opened.
type Stats struct {
	Keys        int64
	MemoryBytes int64 // what the entries really take, with the structures that hold them
	MaxMemory   int64 // what MemoryBytes may reach; zero: no limit
	Hits        int64
	Misses      int64
	Expirations int64
	Evictions   int64
	Watchers    int64
	StartTime   time.Time
	Guarantees  Guarantees
}

// Guarantees is what an engine promises.
type Guarantees struct {
	Engine                     string // the engine's name
	Linearizable               bool   // single keys and atomic batches, while no node fails
	LinearizableAcrossFailover bool   // also when a node fails, with no acknowledged write lost
	AtomicAcrossKeys           bool   // an atomic batch may hold any keys
	Durable                    bool   // entries outlive a restart of the engine
}

// Version names one version of one entry.
//
// Revision counts writes. Epoch is drawn at random whenever the counter may have gone back, as after a
// restart, so that a version from before never equals one from after.
type Version struct {
	Epoch    uint64
	Revision uint64
}

// String returns v as an etag, without quotes: two numbers in base 36, such as "2vxi4i7azeo1-3k".
func (v Version) String() string {
	var buf [2*13 + 1]byte
	b := strconv.AppendUint(buf[:0], v.Epoch, 36)
	b = append(b, '-')
	return string(strconv.AppendUint(b, v.Revision, 36))
}

// ParseVersion reads what String wrote. It reports false for anything else, which therefore names no
// version that ever was.
func ParseVersion(s string) (Version, bool) {
	epoch, revision, ok := strings.Cut(s, "-")
	if !ok {
		return Version{}, false
	}
	e, errE := strconv.ParseUint(epoch, 36, 64)
	r, errR := strconv.ParseUint(revision, 36, 64)
	v := Version{Epoch: e, Revision: r}
	return v, errE == nil && errR == nil && v.String() == s
}
