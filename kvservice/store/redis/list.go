package redis

import (
	"context"
	"math"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// List returns a page of entries.
func (e *Engine) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	p, size := e.pager(req), 0
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

// usualLimit is the capacity with which a page starts, in entries.
const usualLimit = 100

// pager reads entries in the order of their keys.
type pager struct {
	engine   *Engine
	prefix   string
	keysOnly bool
	expected int // number of entries that will be requested
	keys     *merge[string]
	entries  []store.Entry // read, and not yet returned
	want     int           // number of entries to read next
}

func (e *Engine) pager(req store.ListRequest) *pager {
	p := &pager{engine: e, prefix: req.Prefix, keysOnly: req.KeysOnly, expected: req.Limit, want: min(firstEntries, req.Limit+1)}
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

const (
	// firstEntries is how many entries are read first, while their size is unknown.
	firstEntries = 32
	// After that, about readBytes are read at a time, and at most readEntries entries.
	readBytes   = 1 << 20
	readEntries = 256
)

// peek returns the next entry, or false if there is none.
func (p *pager) peek(ctx context.Context) (store.Entry, bool, error) {
	for len(p.entries) == 0 {
		keys, err := p.take(ctx, p.want)
		if err != nil || len(keys) == 0 {
			return store.Entry{}, false, err
		}
		if p.entries, err = p.engine.readEntries(ctx, keys, p.keysOnly); err != nil {
			return store.Entry{}, false, err
		}
		size := len(p.entries)
		for _, e := range p.entries {
			size += len(e.Key) + len(e.Value)
		}
		p.want = min(readEntries, 1+readBytes*len(p.entries)/max(1, size))
	}
	return p.entries[0], true, nil
}

// next returns the next entry and removes it, or returns false if there is none.
func (p *pager) next(ctx context.Context) (store.Entry, bool, error) {
	entry, ok, err := p.peek(ctx)
	if ok {
		p.entries = p.entries[1:]
	}
	return entry, ok, err
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
		entry, err := unpackEntry(keys[i], packed)
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
