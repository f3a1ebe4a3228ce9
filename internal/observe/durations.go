package observe

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durations is a histogram for each of a bounded set of K. Finding the one for a K takes a lookup in a map that
// nobody writes to: no lock, and no memory.
type durations[K comparable] struct {
	vec    *prometheus.HistogramVec
	labels func(K) []string

	known atomic.Pointer[map[K]prometheus.Observer]
	mu    sync.Mutex // of those who replace known
}

func newDurations[K comparable](name, help string, values func(K) []string, labels ...string) *durations[K] {
	d := &durations[K]{
		vec: prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels),
		labels: values,
	}
	d.known.Store(&map[K]prometheus.Observer{})
	return d
}

func (d *durations[K]) observe(key K, took time.Duration) {
	histogram, ok := (*d.known.Load())[key]
	if !ok {
		histogram = d.add(key)
	}
	histogram.Observe(took.Seconds())
}

// add makes the histogram of key.
func (d *durations[K]) add(key K) prometheus.Observer {
	d.mu.Lock()
	defer d.mu.Unlock()
	more := maps.Clone(*d.known.Load())
	more[key] = d.vec.WithLabelValues(d.labels(key)...)
	d.known.Store(&more)
	return more[key]
}
