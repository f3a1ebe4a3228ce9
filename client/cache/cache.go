package cache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"key-value/client"
)

// Errors of a cache, besides those of package client. Compare with errors.Is.
var (
	// ErrClosed means that the cache was closed.
	ErrClosed = errors.New("the cache is closed")
	// ErrOutsidePrefix means that a key does not begin with the prefix of the cache.
	ErrOutsidePrefix = errors.New("key outside the prefix of the cache")
)

// Cache keeps entries of a store in this process. Create it with [New]. It is safe for concurrent use, and meant to be shared:
// it has one watch, no matter how many goroutines use it.
type Cache struct {
	config
	store  *client.Client
	cancel func()
	ready  chan struct{} // closed when the first snapshot is complete
	done   chan struct{} // closed when the watch has ended for good

	table    atomic.Pointer[table] // what readers see; replaced and changed only with mu
	position atomic.Uint64         // table has all changes up to this revision; set only with mu, after table
	heard    atomic.Int64          // the instant of the latest event

	mu      sync.Mutex
	token   string                   // resumes the watch; empty: it starts from nothing; guarded by mu
	err     error                    // why there has been no event since; nil: the watch is open; guarded by mu
	cuts    int                      // how often the watch was interrupted; guarded by mu
	next    *table                   // a snapshot that is not complete; nil: none; guarded by mu
	waiters map[*waiter]struct{}     // guarded by mu
	ahead   map[string]admission     // what GetFresh knows and the watch has not reported; guarded by mu
	demand  demand                   // what is kept on demand; guarded by mu
	timer   *time.Timer              // fires at due; guarded by mu
	due     instant                  // the earliest deadline of table; zero: none, or the timer has fired; guarded by mu
	readers map[*subscriber]struct{} // of OnChange; guarded by mu
}

// config is what options set.
type config struct {
	prefix string
	limit  int // bytes to keep on demand; zero: everything is kept
	log    *slog.Logger
}

// Option changes what [New] keeps.
type Option func(*config) error

// Prefix limits the cache to keys that begin with prefix. Without it, or if it is empty, the cache keeps all keys, which
// takes the right to read all of them.
func Prefix(prefix string) Option {
	return func(c *config) error {
		c.prefix = prefix
		return nil
	}
}

// OnDemand keeps only keys that [Cache.Fetch] or [Cache.GetFresh] has asked for, in at most maxBytes of memory: the lengths
// of keys and values and 256 bytes for each. Keys that were not read recently make room for others. An entry that alone takes
// more than maxBytes is never kept, so each Fetch asks the store for it. New fails if maxBytes is less than 1.
//
// All changes below the prefix still reach the cache over the network, because it has one watch.
func OnDemand(maxBytes int) Option {
	return func(c *config) error {
		if c.limit = maxBytes; maxBytes < 1 {
			return fmt.Errorf("invalid bound of %d bytes: want at least 1", maxBytes)
		}
		return nil
	}
}

// Log sets where the cache reports that it is cut off or receives changes again, and callbacks that panicked. Without it,
// that is [slog.Default].
func Log(log *slog.Logger) Option {
	return func(c *config) error {
		c.log = log
		return nil
	}
}

// New returns a cache that is up to date: it waits until the first snapshot is complete. The context bounds only this wait;
// [Cache.Close] ends the cache.
//
// New fails if ctx ends before, and at once if the service says that it would always fail: with
// [client.ErrUnauthenticated], [client.ErrPermissionDenied] if the API key may not read all keys of the prefix, or
// [client.ErrInvalid] if there can be no such keys. While the service cannot be reached, New retries; the error then is both that
// of ctx and [client.ErrUnavailable].
func New(ctx context.Context, store *client.Client, opts ...Option) (*Cache, error) {
	c := &Cache{
		config: config{log: slog.Default()}, store: store, done: make(chan struct{}), ready: make(chan struct{}),
		waiters: map[*waiter]struct{}{}, ahead: map[string]admission{}, demand: newDemand(), readers: map[*subscriber]struct{}{},
	}
	for _, opt := range opts {
		if err := opt(&c.config); err != nil {
			return nil, err
		}
	}
	c.table.Store(newTable())
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.timer.Stop()
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	failed := make(chan error, 1)
	go c.follow(watching, failed)
	select {
	case <-c.ready:
		return c, nil
	case err := <-failed:
		c.Close()
		return nil, err
	case <-ctx.Done():
		err := c.explain(ctx.Err())
		c.Close()
		return nil, err
	}
}

// Close ends the watch and waits until it has ended. Get and Range go on to return what the cache had then, all other methods
// fail with [ErrClosed], and no callback begins anymore. Close does not wait for callbacks that run, so they may call it. A
// second Close has no effect.
func (c *Cache) Close() {
	c.cancel()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = ErrClosed
	c.timer.Stop()
	for s := range c.readers {
		s.stop()
	}
	clear(c.readers)
}

// Get returns the entry of key as it is in the cache, and whether there is one. It does not block or allocate. An entry whose
// TTL has elapsed does not exist, even if the store cannot be reached. The result is false for a key outside the prefix, and
// with [OnDemand] for one that is not kept.
//
// The entry shares its value with the cache: do not change it. Its TTL is how long it has left now.
func (c *Cache) Get(key string) (entry client.Entry, ok bool) {
	it := c.table.Load().find(key)
	if c.limit != 0 && it != nil && !it.used.Load() {
		it.used.Store(true)
	}
	ok = it.fill(&entry)
	return entry, ok
}

// Range iterates over the entries in the cache whose keys begin with prefix, in byte order of the keys. An entry that is there
// throughout is yielded once, as it is when the iteration reaches it. Range looks at every key of the cache before it yields the
// first entry: it takes time in proportion to all of them.
func (c *Cache) Range(prefix string) iter.Seq[client.Entry] {
	return func(yield func(client.Entry) bool) {
		var keys []string
		for it := range c.table.Load().all() {
			if strings.HasPrefix(it.key, prefix) && it.deadline != absent {
				keys = append(keys, it.key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			if entry, ok := c.table.Load().find(key).read(); ok && !yield(entry) {
				return
			}
		}
	}
}

// Age returns how long ago the store last said that the cache is up to date: what is older is in the cache. While nothing
// changes, the store says so every 15 s, so an Age of more than 20 s means that the store cannot be reached, as does an
// [Cache.Err] that is not nil. The time that the message was on its way is not included.
func (c *Cache) Age() time.Duration { return time.Duration(now() - instant(c.heard.Load())) }

// Err returns why the cache has been cut off from the store since its latest event: [client.ErrUnavailable],
// [client.ErrPermissionDenied] or any other error of a watch, or [ErrClosed]. It is nil while the watch is open. A cache that is
// cut off keeps what it has, tries to watch again until it is closed, and then catches up.
func (c *Cache) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// explain returns err, with the reason why the cache is cut off, if it is.
func (c *Cache) explain(err error) error {
	why := c.Err()
	if why == nil || errors.Is(err, why) {
		return err
	}
	return fmt.Errorf("%w; the cache is cut off: %w", err, why)
}

// check fails if key cannot be in the cache, or if the cache is closed.
func (c *Cache) check(key string) error {
	select {
	case <-c.done:
		return ErrClosed
	default:
	}
	if !strings.HasPrefix(key, c.prefix) {
		return fmt.Errorf("%w: %q does not begin with %q", ErrOutsidePrefix, key, c.prefix)
	}
	return nil
}
