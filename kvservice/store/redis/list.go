package redis

import (
	"context"
	"math"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// List returns a page of entries.
func (e *Engine) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	p, size := e.pager(req, listBytes), 0
	page := store.Page{Entries: make([]store.Entry, 0, min(req.Limit, usualLimit))}
	for {
		entry, ok, err := p.next(ctx)
		if !ok || err != nil {
			return page, e.closed(err)
		}
		if len(page.Entries) == req.Limit || size > req.MaxBytes {
			page.More = true
			return page, nil
		}
		size += len(entry.Key) + len(entry.Value)
		page.Entries = append(page.Entries, entry)
	}
}

const (
	// usualLimit is the capacity with which a page starts, in entries.
	usualLimit = 100
	// listBytes is how many bytes of entries a listing reads at a time.
	listBytes = 1 << 20
	// mostEntries is how many entries are read at a time at most.
	mostEntries = 256
)

// pager reads entries in the order of their keys.
type pager struct {
	engine   *Engine
	prefix   string
	keysOnly bool
	expected int               // number of entries that will be requested
	bytes    int               // how many bytes of entries to read at a time; a longer one is read alone
	reserve  func(n int) error // called with the size of what is read; nil: nobody wants to know
	keys     *merge[string]
	rest     []string      // the next keys, whose entries have not been read
	entries  []store.Entry // read, and not yet returned
}

func (e *Engine) pager(req store.ListRequest, bytes int) *pager {
	p := &pager{engine: e, prefix: req.Prefix, keysOnly: req.KeysOnly, expected: req.Limit, bytes: bytes, reserve: req.Reserve}
	after := "[" + req.Prefix
	if req.After >= req.Prefix && req.After != "" {
		after = "(" + req.After
	}
	p.keys = newMerge(e.all(), func(a, b string) bool { return a < b },
		func(ctx context.Context, sources []*source[string]) error { return p.fill(ctx, sources, after) })
	return p
}

// all returns the numbers of all shards.
func (e *Engine) all() []int {
	numbers := make([]int, len(e.shards))
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// fill reads the next keys of some shards. It asks each for its share of the page and twice the square root of that
// more, so that it rarely has to ask again.
func (p *pager) fill(ctx context.Context, sources []*source[string], after string) error {
	share := p.expected/len(p.engine.shards) + 1
	count := int64(share + 2*int(math.Sqrt(float64(share))) + 1)
	end := "+"
	if p.prefix != "" {
		end = "(" + successor(p.prefix)
	}
	commands := make([]rueidis.Completed, len(sources))
	for i, s := range sources {
		from := after
		if s.rounds > 0 {
			from = "(" + s.latest
		}
		index := p.engine.shards[s.shard].index()
		commands[i] = p.engine.client.B().Zrange().Key(index).Min(from).Max(end).Bylex().Limit(0, count).Build()
	}
	for i, r := range p.engine.client.DoMulti(ctx, commands...) {
		keys, err := r.AsStrSlice()
		if err != nil {
			return readError(err)
		}
		sources[i].buffer, sources[i].done = keys, int64(len(keys)) < count
	}
	return nil
}

// successor returns the first string after all those with the prefix. The last byte of UTF-8 is never 255.
func successor(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] + 1})
}

// next returns the next entry and removes it, or returns false if there is none.
func (p *pager) next(ctx context.Context) (store.Entry, bool, error) {
	for len(p.entries) == 0 {
		if len(p.rest) == 0 {
			var err error
			if p.rest, err = p.take(ctx, min(mostEntries, p.expected+1)); len(p.rest) == 0 || err != nil {
				return store.Entry{}, false, err
			}
		}
		if err := p.read(ctx); err != nil {
			return store.Entry{}, false, err
		}
	}
	entry := p.entries[0]
	p.entries[0], p.entries = store.Entry{}, p.entries[1:]
	return entry, true, nil
}

// take removes and returns up to n keys.
func (p *pager) take(ctx context.Context, n int) ([]string, error) {
	keys := make([]string, 0, n)
	for len(keys) < n {
		key, ok, err := p.keys.next(ctx)
		if err != nil || !ok {
			return keys, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// read reads the entries of the next keys.
func (p *pager) read(ctx context.Context) (err error) {
	n := len(p.rest)
	if !p.keysOnly && n > 1 {
		if n, err = p.fit(ctx); err != nil {
			return err
		}
	}
	p.entries, err = p.engine.readEntries(ctx, p.rest[:n], p.keysOnly)
	p.rest = p.rest[n:]
	if p.reserve == nil || err != nil {
		return err
	}
	size := 0
	for _, e := range p.entries {
		size += len(e.Key) + len(e.Value)
	}
	return p.reserve(size)
}

// fit returns how many of the next entries to read, at least one.
func (p *pager) fit(ctx context.Context) (int, error) {
	sizes, err := p.engine.readSizes(ctx, p.rest)
	if err != nil {
		return 0, readError(err)
	}
	total := 0
	for i, size := range sizes {
		if total += size; i > 0 && total > p.bytes {
			return i, nil
		}
	}
	return len(sizes), nil
}

// readEntries reads entries and omits those that no longer exist.
func (e *Engine) readEntries(ctx context.Context, keys []string, keysOnly bool) ([]store.Entry, error) {
	stored := e.readWhole
	if keysOnly {
		stored = e.readHeaders
	}
	values, err := stored(ctx, keys)
	if err != nil {
		return nil, readError(err)
	}
	entries := make([]store.Entry, 0, len(keys))
	for i, value := range values {
		packed, err := value.ToString()
		if rueidis.IsRedisNil(err) || err == nil && packed == "" {
			continue
		}
		if err != nil {
			return nil, readError(err)
		}
		entry, err := e.unpackEntry(keys[i], packed)
		if err != nil {
			return nil, err
		}
		if keysOnly {
			entry.Value = nil
		}
		e.observe(entry.Version.Revision)
		entries = append(entries, entry)
	}
	return entries, nil
}
