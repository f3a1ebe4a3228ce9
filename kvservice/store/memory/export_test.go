package memory

import "key-value/kvservice/store/memory/tree"

// NewDeep makes an engine with a tree that is deep although it has few entries.
func NewDeep(options Options) *Engine {
	e := New(options)
	e.tree = tree.NewDeep()
	return e
}

// Verify says what is wrong with the engine's tree, if anything is.
func (e *Engine) Verify() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tree.Verify()
}
