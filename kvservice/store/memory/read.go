package memory

import (
	"context"
	"strings"
	"sync/atomic"

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
func (e *Engine) List(_ context.Context, req store.ListRequest) (store.Page, error) {
	p := pager{engine: e, request: req, at: e.clock.Read()}
	p.page.Entries = make([]store.Entry, 0, min(req.Limit, usualLimit))
	e.tree.View().Ascend(max(req.Prefix, req.After), p.add)
	return p.page, nil
}

// usualLimit is the capacity with which a page starts, in entries.
const usualLimit = 100

// pager fills a page.
type pager struct {
	engine  *Engine
	request store.ListRequest
	at      clock.Reading
	bytes   int
	page    store.Page
}

// add adds the next entry. It returns false when it needs no more: the page is full and there is a further entry, or
// no further key has the prefix.
func (p *pager) add(found *tree.Entry) bool {
	key := found.Key()
	if !strings.HasPrefix(key, p.request.Prefix) {
		return false
	}
	if key <= p.request.After || found.Expired(p.at.Now) {
		return true
	}
	if len(p.page.Entries) == p.request.Limit || p.bytes > p.request.MaxBytes {
		p.page.More = true
		return false
	}
	described := p.engine.storeEntry(found, p.at, !p.request.KeysOnly)
	p.bytes += len(described.Key) + len(described.Value)
	p.page.Entries = append(p.page.Entries, described)
	return true
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
