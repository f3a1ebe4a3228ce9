package redis

import (
	"context"
	"math"
	"slices"
	"strconv"

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
		length := len(entry.Key) + len(entry.Value)
		if n := page.Len(); n == req.Limit || n > 0 && size+length > req.MaxBytes {
			page.More = true
			return page, nil
		}
		size += length
		if _, rolled := req.RollUp(entry.Key); rolled {
			page.Prefixes = append(page.Prefixes, entry.Key)
		} else {
			page.Entries = append(page.Entries, entry)
		}
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

// pager reads entries in the order of a listing. A rolled-up prefix is an entry with nothing but its key.
type pager struct {
	engine  *Engine
	request store.ListRequest
	bytes   int      // how many bytes of entries to read at a time; a longer one is read alone
	from    []string // :: shard → the bound at which its next keys are read, as ZRANGE takes it
	to      string   // the other bound
	shards  int      // how many shards can have keys
	keys    *merge[string]
	taken   string        // the latest key that was taken from keys
	rest    []string      // the next keys, whose entries have not been read
	entries []store.Entry // read, and not yet returned
}

func (e *Engine) pager(req store.ListRequest, bytes int) *pager {
	p := &pager{engine: e, request: req, bytes: bytes}
	before := func(a, b string) bool { return a < b }
	rest := req.Rest()
	from, to := "["+rest.Start, "+"
	if rest.Start == "" {
		from = "-"
	}
	if rest.End != "" {
		to = "(" + rest.End
	}
	if req.Reverse {
		from, to = to, from
		before = func(a, b string) bool { return a > b }
	}
	p.from, p.to = slices.Repeat([]string{from}, len(e.shards)), to
	shards := e.shardsOf(req.Prefix)
	p.shards, p.keys = len(shards), newMerge(shards, before, p.fill)
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

// fill reads the next keys of some shards.
func (p *pager) fill(ctx context.Context, sources []*source[string]) error {
	if p.request.Delimiter != "" {
		return p.fillLevel(ctx, sources)
	}
	// Each shard is asked for its share of the page and twice the square root of that more, so that it is rarely asked
	// again.
	share := p.request.Limit/p.shards + 1
	count := int64(share + 2*int(math.Sqrt(float64(share))) + 1)
	commands := make([]rueidis.Completed, len(sources))
	for i, s := range sources {
		bounded := p.engine.client.B().Zrange().Key(p.engine.shards[s.shard].index()).Min(p.from[s.shard]).Max(p.to).Bylex()
		if p.request.Reverse {
			commands[i] = bounded.Rev().Limit(0, count).Build()
		} else {
			commands[i] = bounded.Limit(0, count).Build()
		}
	}
	for i, r := range p.engine.client.DoMulti(ctx, commands...) {
		keys, err := r.AsStrSlice()
		if err != nil {
			return readError(err)
		}
		s := sources[i]
		if s.buffer, s.done = keys, int64(len(keys)) < count; !s.done {
			p.from[s.shard] = "(" + keys[len(keys)-1]
		}
	}
	return nil
}

// fillLevel is fill for a listing with a delimiter. Prefixes are usually in all shards, so each is asked for the whole page.
func (p *pager) fillLevel(ctx context.Context, sources []*source[string]) error {
	calls := make([]part, len(sources))
	for i, s := range sources {
		calls[i].call = call{function: "level", keys: p.engine.shards[s.shard].fixed, args: []string{
			p.from[s.shard], p.to, flag(p.request.Reverse), strconv.Itoa(len(p.request.Prefix)), p.request.Delimiter,
			strconv.Itoa(min(mostEntries, p.request.Limit+1)),
		}}
	}
	for i, r := range p.engine.send(ctx, calls) {
		items, err := r.AsStrSlice()
		if err != nil {
			return readError(err)
		}
		if len(items) == 0 {
			return errDamaged
		}
		s := sources[i]
		p.from[s.shard], s.buffer, s.done = items[0], items[1:], items[0] == ""
	}
	return nil
}

// next returns the next entry and removes it, or returns false if there is none.
func (p *pager) next(ctx context.Context) (store.Entry, bool, error) {
	for len(p.entries) == 0 {
		if len(p.rest) == 0 {
			var err error
			if p.rest, err = p.take(ctx, min(mostEntries, p.request.Limit+1)); len(p.rest) == 0 || err != nil {
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

// take removes and returns up to n keys. A prefix that several shards have is one of them.
func (p *pager) take(ctx context.Context, n int) ([]string, error) {
	keys := make([]string, 0, n)
	for len(keys) < n {
		key, ok, err := p.keys.next(ctx)
		if err != nil || !ok {
			return keys, err
		}
		if key != p.taken {
			keys = append(keys, key)
		}
		p.taken = key
	}
	return keys, nil
}

// read reads the entries of the next keys.
func (p *pager) read(ctx context.Context) (err error) {
	n := len(p.rest)
	if !p.request.KeysOnly && n > 1 {
		if n, err = p.fit(ctx); err != nil {
			return err
		}
	}
	if p.entries, err = p.readNext(ctx, p.rest[:n]); err != nil {
		return err
	}
	p.rest = p.rest[n:]
	if p.request.Reserve == nil {
		return nil
	}
	size := 0
	for _, e := range p.entries {
		size += len(e.Key) + len(e.Value)
	}
	return p.request.Reserve(size)
}

// readNext reads the entries of keys, some of which may be prefixes.
func (p *pager) readNext(ctx context.Context, keys []string) ([]store.Entry, error) {
	if p.request.Delimiter == "" {
		return p.engine.readEntries(ctx, keys, p.request.KeysOnly)
	}
	isPrefix := func(key string) bool { _, rolled := p.request.RollUp(key); return rolled }
	found, err := p.engine.readEntries(ctx, slices.DeleteFunc(slices.Clone(keys), isPrefix), p.request.KeysOnly)
	if err != nil {
		return nil, err
	}
	all := make([]store.Entry, 0, len(keys))
	for _, key := range keys {
		if isPrefix(key) {
			all = append(all, store.Entry{Key: key})
		} else if len(found) > 0 && found[0].Key == key {
			all, found = append(all, found[0]), found[1:]
		}
	}
	return all, nil
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
