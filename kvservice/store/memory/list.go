package memory

import (
	"context"
	"strings"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// List returns a page of entries.
func (e *Engine) List(_ context.Context, req store.ListRequest) (store.Page, error) {
	p := pager{engine: e, request: req, now: e.clock.now()}
	p.page.Entries = make([]store.Entry, 0, min(req.Limit, usualLimit))
	e.tree.View().Ascend(max(req.Prefix, req.After), p.add)
	return p.page, nil
}

// usualLimit is for how many entries a page has room from the start.
const usualLimit = 100

// pager fills a page.
type pager struct {
	engine  *Engine
	request store.ListRequest
	now     int64
	bytes   int
	page    store.Page
}

// add takes the next entry. It returns false when it has seen enough: the page is full and there is an
// entry behind it, or there is none.
func (p *pager) add(found *tree.Entry) bool {
	key := found.Key()
	if !strings.HasPrefix(key, p.request.Prefix) {
		return false
	}
	if key <= p.request.After || found.Expired(p.now) {
		return true
	}
	if len(p.page.Entries) == p.request.Limit || p.bytes > p.request.MaxBytes {
		p.page.More = true
		return false
	}
	described := p.engine.describe(found, !p.request.KeysOnly)
	p.bytes += len(described.Key) + len(described.Value)
	p.page.Entries = append(p.page.Entries, described)
	return true
}
