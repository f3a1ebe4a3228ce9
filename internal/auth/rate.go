package auth

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failureBurst is how many seconds' worth of failures an address may have at once.
	failureBurst = 10
	// maxSources bounds the addresses that are remembered.
	maxSources = 10_000
	// looked is how many addresses are looked at for one to forget.
	looked = 16
	// network is how much of an IPv6 address tells one network from another, in bits. Who has one address of it has all.
	network = 64
)

// failures counts the wrong keys that each address has shown lately.
type failures struct {
	each  time.Duration // the time in which one failure is forgotten
	room  time.Duration // how much may be there to forget
	start time.Time

	// worst is the latest time at which an address that has shown too many keys may show another, in nanoseconds since
	// start. While nobody has, it saves everyone the lock.
	worst atomic.Int64

	mu   sync.Mutex
	full map[netip.Addr]int64 // :: address → when all its failures are forgotten, in nanoseconds since start; guarded by mu
}

// newFailures returns a counter that lets each address fail so many times a second, or nil, which lets them fail
// for ever, if that is 0.
func newFailures(perSecond int) *failures {
	if perSecond <= 0 {
		return nil
	}
	each := time.Second / time.Duration(perSecond)
	return &failures{each: each, room: failureBurst*time.Second - each, start: time.Now(), full: map[netip.Addr]int64{}}
}

// blocked returns how long the peer, an address with a port, must still wait because of its failures; 0 if it need not.
func (f *failures) blocked(now time.Time, peer string) time.Duration {
	if f == nil {
		return 0
	}
	at := int64(now.Sub(f.start))
	if f.worst.Load() <= at {
		return 0
	}
	source := sourceOf(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waitLocked(source, at)
}

// add counts a failure of peer, or returns how long it must wait because it has too many. While it waits, it does not
// make the wait longer.
func (f *failures) add(now time.Time, peer string) time.Duration {
	if f == nil {
		return 0
	}
	at, source := int64(now.Sub(f.start)), sourceOf(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	if wait := f.waitLocked(source, at); wait > 0 {
		return wait
	}
	if _, known := f.full[source]; !known && len(f.full) >= maxSources {
		f.forgetOneLocked(at)
	}
	f.full[source] = max(f.full[source], at) + int64(f.each)
	if open := f.full[source] - int64(f.room); open > f.worst.Load() {
		f.worst.Store(open)
	}
	return 0
}

func (f *failures) waitLocked(source netip.Addr, at int64) time.Duration {
	return max(0, time.Duration(f.full[source]-at)-f.room)
}

// forgetOneLocked makes room. Of some addresses it forgets those that have nothing to be remembered for, or else any.
func (f *failures) forgetOneLocked(at int64) {
	n := 0
	for source, full := range f.full {
		if n++; full <= at || n == looked {
			delete(f.full, source)
		}
		if n == looked {
			return
		}
	}
}

// sourceOf returns what is remembered of an address with a port. All that have none are one.
func sourceOf(peer string) netip.Addr {
	addr, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Addr{}
	}
	source := addr.Addr().Unmap().WithZone("")
	if source.Is4() {
		return source
	}
	prefix, _ := source.Prefix(network)
	return prefix.Addr()
}

// bucket limits how often something may happen: so many times a second, with a second's worth at once. It is a token
// bucket that knows but one number, the time at which it will be full again (GCRA), so that taking from it needs no lock.
type bucket struct {
	perSecond float64
	each      time.Duration // the time that one token takes to come
	room      time.Duration // how far ahead of now the bucket may be and still give a token
	start     time.Time
	full      atomic.Int64 // when it is full again, in nanoseconds since start
}

// newBucket returns a full bucket. PerSecond must be more than 0.
func newBucket(perSecond float64) *bucket {
	each := max(1, time.Duration(float64(time.Second)/perSecond))
	return &bucket{perSecond: perSecond, each: each, room: max(0, time.Second-each), start: time.Now()}
}

// take takes a token, or returns how long it takes until there is one.
func (b *bucket) take(now time.Time) (time.Duration, bool) {
	at := int64(now.Sub(b.start))
	for {
		old := b.full.Load()
		full := max(old, at)
		if wait := time.Duration(full-at) - b.room; wait > 0 {
			return wait, false
		}
		if b.full.CompareAndSwap(old, full+int64(b.each)) {
			return 0, true
		}
	}
}

// owe takes n more tokens after take has given one. They may be more than there are: then those who come next wait.
func (b *bucket) owe(n int) { b.full.Add(int64(n) * int64(b.each)) }
