package redis

import (
	"container/heap"
	"context"
)

// source is the sorted sequence of one shard.
type source[T any] struct {
	shard  int
	buffer []T  // items that were read and not yet returned
	done   bool // whether nothing follows buffer
	rounds int  // number of times that buffer was filled
	latest T    // the last item of buffer when it was last filled
}

// merge merges the sorted sequences of several shards. It reads more of them when it needs to know what comes next.
type merge[T any] struct {
	sources []*source[T] // a heap of the sources with items, by their first item
	empty   []*source[T] // sources that may have more items
	before  func(a, b T) bool
	fill    func(ctx context.Context, sources []*source[T]) error // fills the buffers or sets done
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

// peek returns the next item, or false at the end.
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

// next returns the next item and removes it.
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

// Len, Less, Swap, Push and Pop implement heap.Interface.

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
