package memory

import "key-value/kvservice/store/memory/tree"

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
