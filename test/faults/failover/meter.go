package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// slot is the resolution of the meter.
const slot = 50 * time.Millisecond

// meter counts answers.
type meter struct {
	unanswered atomic.Int64 // calls

	mu      sync.Mutex
	slots   []int   // :: slots since the run began → calls answered; guarded by mu
	total   int     // sum of slots; guarded by mu
	highest float64 // the highest rate without a fault; guarded by mu
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

// between returns the number of calls answered between two instants.
func (m *meter) between(from, to instant) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := 0
	for i := int(from / slot); i < int(to/slot) && i < len(m.slots); i++ {
		sum += m.slots[i]
	}
	return sum
}

// peak records a time without a fault.
func (m *meter) peak(from, to instant) {
	rate := float64(m.between(from, to)) / (time.Duration(to/slot-from/slot) * slot).Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.highest = max(m.highest, rate)
}
