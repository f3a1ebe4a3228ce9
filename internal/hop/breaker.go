package hop

import (
	"sync/atomic"
	"time"

	"key-value/internal/contract"
)

const (
	// silencePatience is how long a service may answer none of the calls that wait for it before others fail at once. It
	// is longer than any call takes that the service deals with.
	silencePatience = 3 * time.Second
	// probeEvery is how often a call is let through to a service that is silent, to find out whether it answers again.
	probeEvery = 100 * time.Millisecond
)

// breaker has calls fail at once while the service answers nobody, instead of waiting for their deadlines with all that
// they hold (Nygard, "Release It!", "Circuit Breaker"). One that refuses calls, or cannot be reached, needs no breaker:
// these calls fail soon enough. Any answer closes it, so it does not outlast what it is for.
//
// The zero value is closed. A nil one lets everything through.
type breaker struct {
	waiting   atomic.Int64
	heard     atomic.Int64 // when the service answered, or a call began when none was waiting; in nanoseconds
	suspected atomic.Int64 // when it was first noticed that the service may answer nobody, in nanoseconds
	probed    atomic.Int64 // when the latest call was let through that might find nobody, in nanoseconds
}

var errSilent = contract.ServiceUnavailable.RetryAfter(time.Second, "the service has not answered anybody for a while; the call was not sent")

// enter lets a call through, or returns why not. Whoever was let through calls leave in the end.
func (b *breaker) enter() error {
	if b == nil {
		return nil
	}
	now := time.Now().UnixNano()
	if b.waiting.Add(1) == 1 {
		b.heard.Store(now)
		return nil
	}
	if now-b.heard.Load() < int64(silencePatience) || now-b.suspectedSince(now) < int64(probeEvery) {
		return nil
	}
	if probed := b.probed.Load(); now-probed >= int64(probeEvery) && b.probed.CompareAndSwap(probed, now) {
		return nil
	}
	b.waiting.Add(-1)
	return errSilent
}

// suspectedSince returns when a call first found the service silent after its latest answer, which may be now. Until that
// call had time to be answered, the others may just have come beside one that takes long.
func (b *breaker) suspectedSince(now int64) int64 {
	suspected := b.suspected.Load()
	if suspected > b.heard.Load() {
		return suspected
	}
	b.suspected.CompareAndSwap(suspected, now)
	return now
}

// leave is told whether the service answered.
func (b *breaker) leave(answered bool) {
	if b == nil {
		return
	}
	if answered {
		b.heard.Store(time.Now().UnixNano())
	}
	b.waiting.Add(-1)
}
