// Package store defines what a storage engine must do.
//
// Every engine obeys the contract documented on [Engine]; package storetest enforces it. Keys and values are checked
// against the limits of the API before they reach an engine, which adds versions, preconditions, expiry and memory
// limits.
package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"key-value/internal/keyrange"
)

// BatchBytes is how many bytes of values the gets of a batch return at least, if they ask for as many.
const BatchBytes = 8 << 20

// Engine stores entries.
//
// Its methods may be called concurrently. Operations on one key, and atomic batches, are linearizable unless
// [Guarantees] says otherwise. An entry expires at the instant its TTL elapses: from then on it is not read, listed,
// counted or matched by a precondition. A method that fails has changed nothing, unless its error is
// [ErrUnknownOutcome].
type Engine interface {
	// Do performs one operation. It fails with the errors of this package.
	Do(ctx context.Context, op Operation) (Result, error)

	// Batch performs operations in order. If atomic, they take effect at one instant, each seeing those before it; if
	// one fails, none takes effect and the error is a [*BatchError]. If not atomic, each operation is independent
	// and its error is in its result.
	//
	// An engine that has to copy values may leave out those that exceed [BatchBytes] together: such gets have the error
	// [ErrLeftOut].
	Batch(ctx context.Context, ops []Operation, atomic bool) ([]Result, error)

	// List returns a page of entries in byte order of their keys, or in reverse. A key that exists throughout a
	// series of pages appears exactly once, or its rolled-up prefix does. An engine seeks past the keys with such a
	// prefix: it does not read them all.
	List(ctx context.Context, req ListRequest) (Page, error)

	// DeleteRange removes the entries at the beginning of a range, and records a change for each. They are removed at one
	// instant if [Guarantees] has AtomicAcrossKeys: no atomic batch and no page has some of them without the others.
	// Otherwise those that the engine stores together are, for atomic batches.
	DeleteRange(ctx context.Context, req RangeRequest) (RangeResult, error)

	// Watch opens a watch. It fails with [ErrResumeTooOld] or [ErrTokenInvalid].
	Watch(ctx context.Context, req WatchRequest) (Watcher, error)

	// Stats returns the engine's statistics.
	Stats(ctx context.Context) (Stats, error)

	// Close releases the engine's resources and ends its watches with [ErrClosed]. No other method may be called
	// afterwards.
	Close() error
}

// Entry is one version of a key and its value.
type Entry struct {
	Key        string
	Value      []byte    // shared between callers; must not be modified
	Version    Version   // never used again, by any entry
	UpdateTime time.Time // when this version was written
	ExpireTime time.Time // when the entry expires; zero: never
	// TTL is what was left until then when the entry was read, at least a nanosecond. Zero: the entry never expires.
	TTL time.Duration
}

// Version identifies one version of one entry.
//
// Revision grows with every write. A write that begins after another one was acknowledged has the greater revision if both
// are of one key, or went through the same engine. This holds through restarts and failovers, because engines start from the
// clock; each says how far the clock must go back to break it. Epoch is drawn at random whenever the revision may have gone
// back, such as after a restart, so that a version from before never equals one from after.
type Version struct {
	Epoch    uint64
	Revision uint64
}

// String returns v as an etag without quotes: two numbers in base 36, such as "2vxi4i7azeo1-3k".
func (v Version) String() string {
	var buf [2*13 + 1]byte
	b := append(appendNumber(buf[:0], v.Epoch), '-')
	return string(appendNumber(b, v.Revision))
}

// appendNumber appends n in base 36, as [strconv.AppendUint] does. Every response has an etag, and a base that the compiler
// knows halves what it costs.
func appendNumber(b []byte, n uint64) []byte {
	var digits [13]byte
	i := len(digits) - 1
	for ; n >= 36; n /= 36 {
		digits[i] = alphabet[n%36]
		i--
	}
	digits[i] = alphabet[n]
	return append(b, digits[i:]...)
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// ParseVersion parses the result of String. It reports false for any other string, which cannot name a version.
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

// ListRequest selects a page of entries.
type ListRequest struct {
	Prefix    string // prefix of the keys; empty: all keys
	Start     string // the first key to list, which need not exist; empty: no lower bound
	End       string // the listing ends before this key; empty: no upper bound
	Reverse   bool   // list from the last key to the first
	Delimiter string // roll up keys that have it after Prefix; empty: none
	After     string // the page starts after this key or rolled-up prefix, in the order of the listing; empty: it is the first
	Limit     int    // the maximum number of entries and prefixes, at least 1
	MaxBytes  int    // the page ends before the entry that takes keys and values over this many bytes, unless it is the first
	KeysOnly  bool   // omit values

	// Reserve gets memory for n bytes of keys and values that were read for the page, or returns the error to fail with. An
	// engine whose entries are in memory anyway need not call it. Nil: there is always memory.
	Reserve func(n int) error
}

// Rest returns the range of the keys that a listing has not delivered before this page.
func (r ListRequest) Rest() keyrange.Range {
	rest := keyrange.Of(r.Prefix, r.Start, r.End)
	if r.After != "" {
		rest = r.Beyond(rest, r.After)
	}
	return rest
}

// Beyond returns the part of rest that follows key, or that follows all keys which are rolled up like it.
func (r ListRequest) Beyond(rest keyrange.Range, key string) keyrange.Range {
	prefix, rolled := r.RollUp(key)
	switch {
	case r.Reverse && rolled:
		return rest.Before(prefix)
	case r.Reverse:
		return rest.Before(key)
	case rolled:
		return rest.From(keyrange.After(prefix))
	}
	return rest.From(keyrange.Next(key))
}

// RollUp returns the prefix that stands for key in the listing. It reports false if key is listed by itself.
func (r ListRequest) RollUp(key string) (string, bool) {
	if r.Delimiter == "" || !strings.HasPrefix(key, r.Prefix) {
		return "", false
	}
	at := strings.Index(key[len(r.Prefix):], r.Delimiter)
	if at < 0 {
		return "", false
	}
	return key[:len(r.Prefix)+at+len(r.Delimiter)], true
}

// RangeRequest selects the entries that DeleteRange removes.
type RangeRequest struct {
	Prefix string // prefix of the keys; empty: all keys
	Start  string // the first key, which need not exist; empty: no lower bound
	End    string // the range ends before this key; empty: no upper bound
	After  string // only keys after this one; empty: all of the range
	Limit  int    // the maximum number of entries, at least 1
	DryRun bool   // remove nothing
}

// RangeResult is what DeleteRange removed, or would have.
type RangeResult struct {
	Deleted int
	Last    string // the last key that was considered; empty: there was none
	More    bool   // whether there may be entries after Last
}

// Page is one page of a listing.
type Page struct {
	Entries  []Entry
	Prefixes []string // rolled up, each once, in the order of the listing
	More     bool     // whether there may be entries or prefixes after the last one
}

// Len returns the number of entries and prefixes.
func (p Page) Len() int { return len(p.Entries) + len(p.Prefixes) }

// Last returns the last key or prefix of the page, which must not be empty, in the order of the listing.
func (p Page) Last(reverse bool) string {
	switch {
	case len(p.Prefixes) == 0:
		return p.Entries[len(p.Entries)-1].Key
	case len(p.Entries) == 0:
		return p.Prefixes[len(p.Prefixes)-1]
	}
	key, prefix := p.Entries[len(p.Entries)-1].Key, p.Prefixes[len(p.Prefixes)-1]
	if reverse {
		return min(key, prefix)
	}
	return max(key, prefix)
}

// Stats are an engine's statistics. Its counters start when the engine is opened.
type Stats struct {
	Keys        int64
	MemoryBytes int64 // memory that the entries take, including the structures that hold them
	MaxMemory   int64 // limit of MemoryBytes; zero: none
	Hits        int64 // gets that found an entry, also in batches, but not in atomic batches that failed
	Misses      int64 // gets that found none, likewise
	Expirations int64
	Evictions   int64
	Watchers    int64
	StartTime   time.Time // by the wall clock as it is set now
	Uptime      time.Duration
	Run         string // identifies this run of the engine
	Guarantees  Guarantees
}

// Guarantees are the guarantees of an engine.
type Guarantees struct {
	Engine                     string // the engine's name
	Linearizable               bool   // single keys and atomic batches, while no node fails
	LinearizableAcrossFailover bool   // also when a node fails; no acknowledged write is lost
	AtomicAcrossKeys           bool   // an atomic batch may have any keys
	Durable                    bool   // entries survive a restart of the engine
	Durability                 string // what a crash or a power cut takes of what was acknowledged, in words
}
