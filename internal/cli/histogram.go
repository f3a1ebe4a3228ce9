package cli

import (
	"math/bits"
	"time"
)

const (
	// fineBits is how many bits of a time its bucket keeps: a bucket is at most 1/64 wide.
	fineBits = 6
	// buckets are enough for 64 bits of nanoseconds.
	buckets = (64 - fineBits + 1) << fineBits
)

// histogram counts times in buckets that are the wider the longer the times are, so that its size does not depend on
// how many there are. The zero value is empty.
type histogram struct {
	counts [buckets]int64
	count  int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// quantile returns the time that the part q of all does not pass, or zero if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int64(q * float64(h.count))
	for i, n := range h.counts {
		if rest -= n; rest < 0 {
			return min(upperBound(i), h.max)
		}
	}
	return h.max
}

// bucketOf keeps the highest fineBits+1 bits of d and their place.
func bucketOf(d time.Duration) int {
	n := uint64(max(0, d))
	shift := max(0, bits.Len64(n)-fineBits-1)
	return shift<<fineBits + int(n>>shift)
}

// upperBound is the longest time in a bucket.
func upperBound(bucket int) time.Duration {
	shift := max(0, bucket>>fineBits-1)
	return time.Duration((bucket-shift<<fineBits+1)<<shift - 1)
}

// latencyStats are what a histogram says, in milliseconds.
type latencyStats struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50Milliseconds"`
	P90   float64 `json:"p90Milliseconds"`
	P99   float64 `json:"p99Milliseconds"`
	Max   float64 `json:"maxMilliseconds"`
}

func (h *histogram) stats() latencyStats {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return latencyStats{h.count, ms(h.quantile(0.50)), ms(h.quantile(0.90)), ms(h.quantile(0.99)), ms(h.max)}
}
