package memory

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"key-value/internal/keyrange"
	"key-value/kvservice/store"
	"key-value/kvservice/store/clock"
	"key-value/kvservice/store/memory/tree"
)

// getResult returns the result of a get that found an entry, or nil, and counts it unless it is uncounted. Tag is the
// key's tag.
func (e *Engine) getResult(found *tree.Entry, tag uint8, uncounted, allowMissing bool) (store.Result, error) {
	at := e.clock.Read()
	if found == nil || found.Expired(at.Now) {
		if !uncounted {
			e.misses.add(tag)
		}
		if allowMissing {
			return store.Result{}, nil
		}
		return store.Result{}, store.ErrNotFound
	}
	if !uncounted {
		e.hits.add(tag)
	}
	if e.options.OnFull == Evict {
		found.Use(e.lru.tick.Load())
	}
	return store.Result{Entry: e.storeEntry(found, at, true)}, nil
}

// List returns a page of entries.
func (e *Engine) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	p := pager{engine: e, request: req, rest: req.Rest(), at: e.clock.Read(), seek: true}
	p.page.Entries = make([]store.Entry, 0, min(req.Limit, usualLimit))
	for view := e.tree.View(); p.seek; {
		p.seek = false
		if req.Reverse {
			view.Descend(p.rest.End, p.add)
		} else {
			view.Ascend(p.rest.Start, p.add)
		}
	}
	if e.log != nil {
		if err := e.tell(ctx, e.latest(), false); err != nil {
			return store.Page{}, err
		}
	}
	return p.page, nil
}

// Sample calls each with about n entries, in byte order of their keys, or with all of them if there are not more. Each stands
// for weight entries, which is 1 if they are all. A key is valid during the call only. It takes no lock while it reads.
func (e *Engine) Sample(ctx context.Context, n int, each func(key string, bytes, weight int64)) error {
	now, view, every := e.clock.Read().Now, e.tree.View(), max(1, (int(e.len())+n-1)/max(1, n))
	view.AscendLeaves(rand.IntN(every), every, func(found *tree.Entry) {
		if !found.Expired(now) {
			each(found.Key(), found.Bytes(), int64(every))
		}
	})
	if e.log == nil {
		return nil
	}
	return e.tell(ctx, e.latest(), false)
}

// len returns the number of entries, with those that have expired and were not removed.
func (e *Engine) len() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tree.Len()
}

const (
	// usualLimit is the capacity with which a page starts, in entries.
	usualLimit = 100
	// passBy is how many keys with a rolled-up prefix are passed one by one, which is cheaper than to seek past a few.
	passBy = 64
)

// pager fills a page.
type pager struct {
	engine  *Engine
	request store.ListRequest
	rest    keyrange.Range // what has not been visited, as of the latest seek
	at      clock.Reading
	bytes   int
	rolled  string // the latest rolled-up prefix
	passed  int    // how many keys with it have been passed
	seek    bool   // whether to go on at rest
	page    store.Page
}

// add adds the next key. It returns false when it needs no more: the page is full and there is a further key, or no
// further key is in the range, or the next keys have the latest rolled-up prefix, and the pager is to seek past them.
func (p *pager) add(found *tree.Entry) bool {
	key := found.Key()
	switch {
	case !p.rest.Has(key):
		return false
	case p.rolled != "" && strings.HasPrefix(key, p.rolled):
		return p.pass(key)
	case found.Expired(p.at.Now):
		return true
	}
	prefix, rolled := p.request.RollUp(key)
	if rolled {
		key = prefix
	}
	size := len(key)
	if !rolled && !p.request.KeysOnly {
		size += len(found.Value())
	}
	if n := p.page.Len(); n == p.request.Limit || n > 0 && p.bytes+size > p.request.MaxBytes {
		p.page.More = true
		return false
	}
	p.bytes += size
	if rolled {
		p.rolled, p.passed = strings.Clone(prefix), 0 // the entry's own would keep it in memory
		p.page.Prefixes = append(p.page.Prefixes, p.rolled)
	} else {
		p.page.Entries = append(p.page.Entries, p.engine.storeEntry(found, p.at, !p.request.KeysOnly))
	}
	return true
}

// pass passes key, which has the latest rolled-up prefix.
func (p *pager) pass(key string) bool {
	if p.passed++; p.passed < passBy {
		return true
	}
	p.rest, p.passed, p.seek = p.request.Beyond(p.rest, key), 0, true
	return false
}

// counter counts reads. Its parts are in cache lines of their own, so that readers on different processors do not
// contend.
type counter [16]struct {
	n atomic.Int64
	_ [56]byte
}

// add adds one, to any part.
func (c *counter) add(part uint8) { c[int(part)%len(c)].n.Add(1) }

func (c *counter) sum() int64 {
	total := int64(0)
	for i := range c {
		total += c[i].n.Load()
	}
	return total
}
