package keystats

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxLimit is the maximum number of elements of each list of a [Report].
	MaxLimit = 100
	// slowSpan is the time after which a new list of slowest calls begins.
	slowSpan = 5 * time.Minute
	// maxKeyBytes is how much is kept of the key of a call, which may be invalid.
	maxKeyBytes = 1024
	// maxIDBytes is how much is kept of the request ids of a call.
	maxIDBytes = 512
)

// Call is a call that has ended.
type Call struct {
	Method     string // such as "Get"
	Key        string // the key, the prefix or start of a range, or the first key of a batch
	Operations int    // of a batch; otherwise 1
	Code       string // "ok", or the name of the status code
	RequestID  string // or several, separated by commas
	Took       time.Duration
	Age        time.Duration // how long ago it ended; in a report

	ended time.Duration // since the recorder's start
}

// slowCalls are the slowest calls of this span and of the one before.
type slowCalls struct {
	floor atomic.Int64 // a call that took no longer is not among the slowest of this span
	end   atomic.Int64 // when this span ends, since the recorder's start

	mu       sync.Mutex
	current  []Call // at most MaxLimit; guarded by mu
	previous []Call // guarded by mu
}

// Start returns the time, for [Recorder.End]. It costs nothing if r is nil.
func (r *Recorder) Start() time.Duration {
	if r == nil {
		return 0
	}
	return time.Since(r.start)
}

// End records that a call ended that began at start. If it is among the slowest, describe is called to learn what it was.
func (r *Recorder) End(start time.Duration, describe func() Call) {
	if r == nil {
		return
	}
	now := time.Since(r.start)
	r.wake(now)
	if took := now - start; int64(took) > r.slow.floor.Load() || int64(now) >= r.slow.end.Load() {
		c := describe()
		c.Key = strings.ToValidUTF8(strings.Clone(c.Key[:min(maxKeyBytes, len(c.Key))]), "")
		c.RequestID = clip(c.RequestID)
		c.Took, c.ended = took, now
		r.slow.add(c)
	}
}

func (s *slowCalls) add(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(c.ended) >= s.end.Load() {
		s.previous, s.current = s.current, nil
		s.floor.Store(0)
		s.end.Store(int64(c.ended + slowSpan))
	}
	fastest := 0
	if len(s.current) < MaxLimit {
		s.current = append(s.current, c)
	} else {
		fastest = s.fastestLocked()
		if s.current[fastest].Took >= c.Took {
			return
		}
		s.current[fastest] = c
	}
	if len(s.current) == MaxLimit {
		s.floor.Store(int64(s.current[s.fastestLocked()].Took))
	}
}

// fastestLocked returns the index of the fastest of the current calls.
func (s *slowCalls) fastestLocked() int {
	fastest := 0
	for i, c := range s.current {
		if c.Took < s.current[fastest].Took {
			fastest = i
		}
	}
	return fastest
}

// slowest returns up to limit calls that ended lately, the slowest first.
func (s *slowCalls) slowest(limit int, now time.Duration) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := slices.Concat(s.current, s.previous)
	for i := range calls {
		calls[i].Age = now - calls[i].ended
	}
	calls = slices.DeleteFunc(calls, func(c Call) bool { return c.Age > 2*slowSpan })
	slices.SortFunc(calls, func(a, b Call) int { return cmp.Compare(b.Took, a.Took) })
	return calls[:min(limit, len(calls))]
}

// clip returns a copy of ids, a list separated by commas, without those that do not fit.
func clip(ids string) string {
	if len(ids) > maxIDBytes {
		ids = ids[:maxIDBytes]
		if i := strings.LastIndexByte(ids, ','); i >= 0 {
			ids = ids[:i]
		}
	}
	return strings.Clone(ids)
}
