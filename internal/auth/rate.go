package auth

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// bucket is a token bucket. Its state is one number, the time at which it is full again (the generic cell rate
// algorithm), which the caller keeps, in nanoseconds since a start of its own.
type bucket struct {
	each time.Duration // in which one token is added
	room time.Duration // how far ahead of now the state may be while there is a token
}

// newBucket returns a bucket that gains perSecond tokens each second and holds as many as burst adds, at least one.
func newBucket(perSecond float64, burst time.Duration) bucket {
	each := max(1, time.Duration(float64(time.Second)/perSecond))
	return bucket{each: each, room: max(0, burst-each)}
}

// wait returns the time until there is a token, 0 if there is one now.
func (b bucket) wait(full, now int64) time.Duration {
	return max(0, time.Duration(full-now)-b.room)
}

// take returns the state after one token was taken.
func (b bucket) take(full, now int64) int64 { return max(full, now) + int64(b.each) }

// rate limits the requests of one key, to a second's worth at once. It needs no lock.
type rate struct {
	perSecond float64
	bucket    bucket
	start     time.Time
	full      atomic.Int64
}

// newRate returns a rate whose bucket is full. PerSecond must be positive.
func newRate(perSecond float64) *rate {
	return &rate{perSecond: perSecond, bucket: newBucket(perSecond, time.Second), start: time.Now()}
}

// take takes a token, or returns the time until there is one.
func (r *rate) take(now time.Time) (wait time.Duration, ok bool) {
	at := int64(now.Sub(r.start))
	for {
		full := r.full.Load()
		if wait := r.bucket.wait(full, at); wait > 0 {
			return wait, false
		}
		if r.full.CompareAndSwap(full, r.bucket.take(full, at)) {
			return 0, true
		}
	}
}

// owe takes n more tokens after take succeeded, whether or not there are as many. The next requests wait until they are
// paid.
func (r *rate) owe(n int) { r.full.Add(int64(n) * int64(r.bucket.each)) }

const (
	// failureBurst is how long it takes to earn the failures that an address may have at once.
	failureBurst = 10 * time.Second
	// maxSources bounds the addresses that are remembered.
	maxSources = 10_000
	// sampled is how many addresses are looked at to find one to forget.
	sampled = 16
	// networkBits is the part of an IPv6 address that counts. A host can use every address of its network.
	networkBits = 64
)

// failures limits the invalid keys of each address.
type failures struct {
	bucket bucket
	start  time.Time

	// latest is the time until which some address must wait, in nanoseconds since start. While it is past, no address
	// must, and blocked needs no lock.
	latest atomic.Int64

	mu   sync.Mutex
	full map[netip.Addr]int64 // :: address → state of its bucket; guarded by mu
}

// newFailures returns a limit of perSecond invalid keys for each address. Zero means no limit: it returns nil.
func newFailures(perSecond int) *failures {
	if perSecond <= 0 {
		return nil
	}
	return &failures{bucket: newBucket(float64(perSecond), failureBurst), start: time.Now(), full: map[netip.Addr]int64{}}
}

// blocked returns how long peer, an address with or without a port, must wait because of its failures, 0 if it need not.
func (f *failures) blocked(now time.Time, peer string) time.Duration {
	if f == nil {
		return 0
	}
	at := int64(now.Sub(f.start))
	if f.latest.Load() <= at {
		return 0
	}
	source := sourceOf(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bucket.wait(f.full[source], at)
}

// add counts a failure of peer, or returns how long it must wait because it had too many. Failures in that time do not
// count, so they do not extend it.
func (f *failures) add(now time.Time, peer string) time.Duration {
	if f == nil {
		return 0
	}
	at, source := int64(now.Sub(f.start)), sourceOf(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	full, known := f.full[source]
	if wait := f.bucket.wait(full, at); wait > 0 {
		return wait
	}
	if !known && len(f.full) >= maxSources {
		f.forgetOneLocked(at)
	}
	full = f.bucket.take(full, at)
	f.full[source] = full
	if until := full - int64(f.bucket.room); until > f.latest.Load() {
		f.latest.Store(until)
	}
	return 0
}

// forgetOneLocked makes room for an address. Of a few addresses it forgets all that have no failures left to remember,
// or else an arbitrary one.
func (f *failures) forgetOneLocked(at int64) {
	n := 0
	for source, full := range f.full {
		if n++; full <= at || n == sampled {
			delete(f.full, source)
		}
		if n == sampled {
			return
		}
	}
}

// sourceOf returns the part of peer that failures are counted by. Peers without an address count as one.
func sourceOf(peer string) netip.Addr {
	withPort, err := netip.ParseAddrPort(peer)
	source := withPort.Addr()
	if err != nil {
		source, _ = netip.ParseAddr(peer)
	}
	source = source.Unmap().WithZone("")
	if source.Is4() {
		return source
	}
	prefix, _ := source.Prefix(networkBits)
	return prefix.Addr()
}
