package memory

import (
	"context"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/tree"
)

// NewDeep returns an engine whose tree becomes deep with few entries.
func NewDeep(options Options) *Engine {
	e := New(options)
	e.tree = tree.NewDeep()
	return e
}

// Verify returns the first violated invariant of the engine's tree, or nil.
func (e *Engine) Verify() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tree.Verify()
}

// GetUngated is Do with a bug: gets do not wait until their result may be told.
func GetUngated(e *Engine, ctx context.Context, op store.Operation) (store.Result, error) {
	if op.Kind == store.Get {
		return e.get(op)
	}
	return e.Do(ctx, op)
}

// WriteUngated is Do with a bug: writes do not wait until they may be told.
func WriteUngated(e *Engine, ctx context.Context, op store.Operation) (store.Result, error) {
	if op.Kind == store.Get {
		return e.Do(ctx, op)
	}
	result, _, err := e.do(ctx, op)
	return result, err
}
