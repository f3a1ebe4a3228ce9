package main

import (
	"sync"
	"time"
)

// slot is the time that is counted together.
const slot = 100 * time.Millisecond

// meter counts answers.
type meter struct {
	begin time.Time

	mu       sync.Mutex
	slots    []int          // :: slots since begin → operations that were answered; guarded by mu
	checked  map[string]int // :: kind of fault → operations in histories that were checked; guarded by mu
	total    int            // of checked; guarded by mu
	failed   int            // calls without an answer; guarded by mu
	examples []string       // of failures since they were last taken; guarded by mu
}

func newMeter() *meter { return &meter{begin: time.Now(), checked: map[string]int{}} }

// answered is told of operations that were answered now.
func (m *meter) answered(operations int) {
	now := int(time.Since(m.begin) / slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.slots) <= now {
		m.slots = append(m.slots, 0)
	}
	m.slots[now] += operations
}

// lost is told of a call that got no answer.
func (m *meter) lost(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed++
	if len(m.examples) < 3 {
		m.examples = append(m.examples, err.Error())
	}
}

// losses returns how many calls got no answer so far, and examples of those since the last time.
func (m *meter) losses() (int, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	examples := m.examples
	m.examples = nil
	return m.failed, examples
}

// approve is told of operations that were checked.
func (m *meter) approve(fault string, operations int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked[fault] += operations
	m.total += operations
}

func (m *meter) approved() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// rate returns how many operations a second were answered between two instants.
func (m *meter) rate(from, to time.Time) float64 {
	first, last := int(from.Sub(m.begin)/slot), int(to.Sub(m.begin)/slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := 0
	for i := first; i < last && i < len(m.slots); i++ {
		sum += m.slots[i]
	}
	return float64(sum) / (float64(max(1, last-first)) * slot.Seconds())
}
