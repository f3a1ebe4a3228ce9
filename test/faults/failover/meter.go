package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// slot is the time that is counted together.
const slot = 50 * time.Millisecond

// meter counts answers.
type meter struct {
	unanswered atomic.Int64 // calls

	mu      sync.Mutex
	slots   []int   // :: slots since the run began → calls that were answered; guarded by mu
	total   int     // of slots; guarded by mu
	highest float64 // the highest rate while nothing was broken; guarded by mu
}

func (m *meter) answered(now instant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := int(now / slot)
	for len(m.slots) <= i {
		m.slots = append(m.slots, 0)
	}
	m.slots[i]++
	m.total++
}

// between returns how many calls were answered between two instants.
func (m *meter) between(from, to instant) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := 0
	for i := int(from / slot); i < int(to/slot) && i < len(m.slots); i++ {
		sum += m.slots[i]
	}
	return sum
}

// peak takes note of a time in which nothing was broken.
func (m *meter) peak(from, to instant) {
	rate := float64(m.between(from, to)) / (time.Duration(to/slot-from/slot) * slot).Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.highest = max(m.highest, rate)
}
