package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// slot is the resolution of the meter.
const slot = 100 * time.Millisecond

// meter counts answers.
type meter struct {
	begin time.Time

	mu       sync.Mutex
	slots    []int          // :: slots since begin → operations answered; guarded by mu
	checked  map[string]int // :: kind of fault → operations in checked histories; guarded by mu
	total    int            // sum of checked; guarded by mu
	failed   int            // calls without an answer; guarded by mu
	examples []string       // of failures since they were last taken; guarded by mu
}

func newMeter() *meter { return &meter{begin: time.Now(), checked: map[string]int{}} }

// answered counts operations that were answered now.
func (m *meter) answered(operations int) {
	now := int(time.Since(m.begin) / slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.slots) <= now {
		m.slots = append(m.slots, 0)
	}
	m.slots[now] += operations
}

// lost counts a call without an answer.
func (m *meter) lost(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed++
	if len(m.examples) < 3 {
		m.examples = append(m.examples, err.Error())
	}
}

// losses returns the number of calls without an answer so far, and examples of those since the last time.
func (m *meter) losses() (int, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	examples := m.examples
	m.examples = nil
	return m.failed, examples
}

// approve counts operations that were checked.
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

// rate returns how many operations per second were answered between two instants.
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

// givenUp is how long the suite waits for a gateway to answer.
const givenUp = 15 * time.Second

// recovered returns how long after the end of a fault each gateway had answered from the service.
func (s *stage) recovered(ctx context.Context, since time.Time) (time.Duration, error) {
	took, errs := make([]time.Duration, len(s.fronts)), make([]error, len(s.fronts))
	var all sync.WaitGroup
	for i, front := range s.fronts {
		all.Go(func() { took[i], errs[i] = firstAnswer(ctx, "http://"+front.Listen, since) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return max(took[0], took[1]), nil
}

// firstAnswer reads a key until it gets an answer, each time on a new connection.
func firstAnswer(ctx context.Context, url string, since time.Time) (time.Duration, error) {
	client := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	var latest error
	for ctx.Err() == nil && time.Since(since) < givenUp {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/values/recovered", http.NoBody)
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-Api-Key", apiKey)
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNotFound {
				return time.Since(since), nil
			}
			err = fmt.Errorf("GET: status %s", res.Status)
		}
		latest = err
		pause(ctx, 10*time.Millisecond)
	}
	return 0, fmt.Errorf("no answer %v after the fault: %w", givenUp, latest)
}
