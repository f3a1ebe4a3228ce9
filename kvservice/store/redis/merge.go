package redis

import (
	"container/heap"
	"context"
)

// source is one shard's part of what is merged, in order.
type source[T any] struct {
	shard  int
	buffer []T  // what is known, but for what was taken
	done   bool // nothing comes behind buffer
	rounds int  // how often buffer was filled
	latest T    // what was last in buffer, if it was filled
}

// merge gives what several shards have in one order. It asks them for more when it must know what comes next.
type merge[T any] struct {
	sources []*source[T] // a heap of those that have something, by what they have first
	empty   []*source[T] // those that may have something
	before  func(a, b T) bool
	fill    func(ctx context.Context, sources []*source[T]) error // fills buffers, or sets done
}

func newMerge[T any](
	shards []int, before func(a, b T) bool, fill func(ctx context.Context, sources []*source[T]) error,
) *merge[T] {
	m := &merge[T]{before: before, fill: fill}
	for _, number := range shards {
		m.empty = append(m.empty, &source[T]{shard: number})
	}
	return m
}

// peek returns what comes next, or false if there is nothing.
func (m *merge[T]) peek(ctx context.Context) (T, bool, error) {
	var none T
	for len(m.empty) > 0 {
		if err := m.fill(ctx, m.empty); err != nil {
			return none, false, err
		}
		waiting := m.empty[:0]
		for _, s := range m.empty {
			s.rounds++
			if len(s.buffer) > 0 {
				s.latest = s.buffer[len(s.buffer)-1]
				heap.Push(m, s)
			} else if !s.done {
				waiting = append(waiting, s)
			}
		}
		m.empty = waiting
	}
	if len(m.sources) == 0 {
		return none, false, nil
	}
	return m.sources[0].buffer[0], true, nil
}

// next takes what peek returns.
func (m *merge[T]) next(ctx context.Context) (T, bool, error) {
	item, ok, err := m.peek(ctx)
	if !ok || err != nil {
		return item, false, err
	}
	s := m.sources[0]
	s.buffer = s.buffer[1:]
	switch {
	case len(s.buffer) > 0:
		heap.Fix(m, 0)
	case s.done:
		heap.Pop(m)
	default:
		heap.Pop(m)
		m.empty = append(m.empty, s)
	}
	return item, true, nil
}

// Len, Less, Swap, Push and Pop are for package heap.

func (m *merge[T]) Len() int { return len(m.sources) }
func (m *merge[T]) Less(i, j int) bool {
	return m.before(m.sources[i].buffer[0], m.sources[j].buffer[0])
}
func (m *merge[T]) Swap(i, j int) { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }
func (m *merge[T]) Push(s any)    { m.sources = append(m.sources, s.(*source[T])) }
func (m *merge[T]) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}
