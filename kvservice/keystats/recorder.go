// Package keystats finds out which keys are read and written most, which prefixes take most memory, and which calls are
// slowest, at a cost that does not grow with the traffic.
//
// A [Recorder] samples the operations of a service. It takes every one of them as long as these are few, and one in so
// many that at most about 500 a second remain under load. Samples feed sketches of a fixed size. Their weight decays, so
// rates are about the last minute.
//
// A nil *Recorder records nothing.
package keystats

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// decay is the time in which the weight of an operation falls to 1/e.
	decay = time.Minute
	// span limits how much the weights of old and new samples differ: by e to the power of span/decay, which is far from
	// what a float64 can hold.
	span = 100 * decay

	// interval is the time after which the sampling is adapted.
	interval = 100 * time.Millisecond
	// quiet is how long no sample may be taken before more operations are sampled.
	quiet = time.Second
	// samplesPerSecond is the approximate maximum rate of samples.
	samplesPerSecond = 500
	// perBatch is the approximate maximum number of samples of one batch.
	perBatch = 64

	// keyCounters and prefixCounters are the sizes of sketches. With keys of 1 KiB, those of reads and writes take 4 MiB.
	keyCounters    = 1024
	prefixCounters = 512
	// maxLevel is how many prefixes of a key count.
	maxLevel = 3
	// delimiter ends a level of a key.
	delimiter = '/'

	// leastOperations is how many operations of a key must be left, after decay, for it to be reported.
	leastOperations = 0.1
)

// Recorder records the traffic of a service. Its methods may be called concurrently.
type Recorder struct {
	start     time.Time
	perWindow int           // how many samples are taken in an interval, before fewer are
	every     atomic.Uint32 // one in so many operations is sampled: a power of two
	since     atomic.Int64  // when the interval began, since start; changed with mu held
	slow      slowCalls

	mu     sync.Mutex
	taken  int           // samples of this interval; guarded by mu
	zero   time.Duration // when a sample had the weight of one operation, since start; guarded by mu
	reads  traffic       // guarded by mu
	writes traffic       // guarded by mu

	sizing chan struct{} // full while sizes are measured; a channel, so that waiting for it can be canceled
	sizes  sizes         // the latest; guarded by sizing
}

// traffic is what was sampled of reads or writes.
type traffic struct {
	weight   float64
	keys     *sketch
	prefixes *sketch
}

func newTraffic() traffic {
	return traffic{keys: newSketch(keyCounters), prefixes: newSketch(prefixCounters)}
}

// New returns a recorder that has recorded nothing.
func New() *Recorder {
	r := &Recorder{
		start: time.Now(), perWindow: int(samplesPerSecond * interval / time.Second), reads: newTraffic(), writes: newTraffic(),
		sizing: make(chan struct{}, 1),
	}
	r.every.Store(1)
	return r
}

// Operation is an operation on one key.
type Operation struct {
	Key   string
	Write bool // false: it is a read
}

// Record records an operation.
func (r *Recorder) Record(op Operation) {
	if r == nil {
		return
	}
	every := r.every.Load()
	if every > 1 && rand.Uint32()&(every-1) != 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sampleLocked(op, every, time.Since(r.start))
}

// RecordBatch records n operations.
func (r *Recorder) RecordBatch(n int, op func(i int) Operation) {
	if r == nil {
		return
	}
	every := r.every.Load()
	for uint32(n) > every*perBatch {
		every *= 2
	}
	first := int(rand.Uint32() & (every - 1))
	if first >= n {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.start)
	for i := first; i < n; i += int(every) {
		r.sampleLocked(op(i), every, now)
	}
}

// sampleLocked records an operation that stands for every ones.
func (r *Recorder) sampleLocked(op Operation, every uint32, now time.Duration) {
	r.adaptLocked(now)
	if now-r.zero > span {
		r.forgetLocked(now)
	}
	weight := float64(every) * math.Exp(float64(now-r.zero)/float64(decay))
	t := &r.reads
	if op.Write {
		t = &r.writes
	}
	t.weight += weight
	t.keys.add(op.Key, weight)
	end := 0
	for range maxLevel {
		n := strings.IndexByte(op.Key[end:], delimiter)
		if n < 0 {
			return
		}
		end += n + 1
		t.prefixes.add(op.Key[:end], weight)
	}
}

// adaptLocked counts a sample, and samples fewer or more operations than before if need be.
func (r *Recorder) adaptLocked(now time.Duration) {
	r.taken++
	switch elapsed := now - time.Duration(r.since.Load()); {
	case r.taken >= r.perWindow && elapsed < interval:
		r.every.Store(min(2*r.every.Load(), 1<<20))
	case elapsed >= interval:
		r.sampleMoreLocked(elapsed)
	default:
		return
	}
	r.taken = 0
	r.since.Store(int64(now))
}

// sampleMoreLocked samples so many more operations than before as the samples of elapsed leave room for.
func (r *Recorder) sampleMoreLocked(elapsed time.Duration) {
	every, room := r.every.Load(), float64(r.perWindow)*float64(elapsed)/float64(interval)
	for taken := float64(r.taken); every > 1 && 2*taken < .75*room; taken *= 2 {
		every /= 2
	}
	r.every.Store(every)
}

// wake samples every operation again if none was sampled for long: after a load that is over, that could take a while.
func (r *Recorder) wake(now time.Duration) {
	if r.every.Load() == 1 || now-time.Duration(r.since.Load()) < quiet {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if elapsed := now - time.Duration(r.since.Load()); elapsed >= quiet {
		r.sampleMoreLocked(elapsed)
		r.taken = 0
		r.since.Store(int64(now))
	}
}

// forgetLocked makes the weights of all that was sampled what they are now, relative to a sample of now.
func (r *Recorder) forgetLocked(now time.Duration) {
	factor := math.Exp(float64(r.zero-now) / float64(decay))
	for _, t := range []*traffic{&r.reads, &r.writes} {
		t.weight *= factor
		t.keys.scale(factor)
		t.prefixes.scale(factor)
	}
	r.zero = now
}
