// Package share divides limited resources among API keys.
//
// A key may hold at most three times as much of a resource as is left free. So no key takes everything: the only one to use
// a resource gets up to three quarters of it, and two that both want all get three sevenths each. What a key asks for first
// is never too much, if it is free. If only one key exists, it may hold everything.
package share

import "sync/atomic"

// maxShare is how many times as much as is left free a key may hold.
const maxShare = 3

// Kind is a kind of resource.
type Kind int

// The kinds of resources.
const (
	Calls   Kind = iota // calls that run
	Queue               // large calls that wait
	Watches             // watches that are open
	Bytes               // bytes of requests and responses
	Events              // bytes of events
	kinds
)

// Holder is what one API key holds of each kind of resource. The zero value holds nothing. A nil Holder stands for
// callers without an API key, which no share limits.
type Holder struct {
	held [kinds]atomic.Int64
}

// Held returns how much the key holds of a resource.
func (h *Holder) Held(kind Kind) int64 {
	if h == nil {
		return 0
	}
	return h.held[kind].Load()
}

// Add adds n to what the key holds of a resource.
func (h *Holder) Add(kind Kind, n int64) {
	if h != nil {
		h.held[kind].Add(n)
	}
}

// Exceeds reports whether held is more of a resource than one of several API keys may hold while so much is left free.
// What it acquired last, n, is never too much by itself.
func Exceeds(held, n, left int64) bool { return held > n && held > maxShare*left }

// Limit is the limit of one resource.
type Limit struct {
	kind Kind
	max  int64
	sole func() bool
	used atomic.Int64
}

// New returns a limit of max. Sole reports whether only one API key exists; nil: there are several.
func New(kind Kind, max int64, sole func() bool) *Limit {
	return &Limit{kind: kind, max: max, sole: sole}
}

// Max returns the limit.
func (l *Limit) Max() int64 { return l.max }

// Used returns how much of the resource all keys hold.
func (l *Limit) Used() int64 { return l.used.Load() }

// Acquire gives n to h and reports true, or reports false if n is not free or more than the share of h. An attempt that
// fails changes nothing that another key sees, so attempts by the thousand do not keep others from what is free.
func (l *Limit) Acquire(h *Holder, n int64) bool {
	if !l.addHeld(h, n) {
		return false
	}
	for {
		used := l.used.Load()
		if used+n > l.max {
			h.Add(l.kind, -n)
			return false
		}
		if l.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// addHeld adds n to what h holds, unless that exceeds its share.
func (l *Limit) addHeld(h *Holder, n int64) bool {
	if h == nil {
		return true
	}
	for {
		held := h.held[l.kind].Load()
		if l.exceeds(held+n, n) {
			return false
		}
		if h.held[l.kind].CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// Full reports whether Acquire would report false now.
func (l *Limit) Full(h *Holder, n int64) bool {
	return l.used.Load()+n > l.max || h != nil && l.exceeds(h.Held(l.kind)+n, n)
}

// exceeds reports whether held is too much for one key once it has acquired n.
func (l *Limit) exceeds(held, n int64) bool {
	return Exceeds(held, n, l.max-l.used.Load()-n) && (l.sole == nil || !l.sole())
}

// Force gives n to h, even if that exceeds the limit.
func (l *Limit) Force(h *Holder, n int64) {
	l.used.Add(n)
	h.Add(l.kind, n)
}

// Release takes n back from h.
func (l *Limit) Release(h *Holder, n int64) {
	l.used.Add(-n)
	h.Add(l.kind, -n)
}
