// Package lock gives one program at a time the right to do something, through a key-value store that all of them can reach.
//
//	l, err := lock.New(kv, "reports")
//	…
//	held, err := l.Lock(ctx) // waits its turn
//	if err != nil {
//		return err
//	}
//	defer held.Unlock()
//	return writeReports(held.Context(), held.Fence())
//
// A holder that dies loses the lock after its TTL, because a lock is renewed by a goroutine of its holder, and waiters get
// it in the order in which they arrived. Waiters watch the store and do not poll it.
//
// # What a lock promises
//
// As long as the store keeps what it acknowledged, no two callers hold a lock at the same time: [Held.Context] ends, by
// the monotonic clock of this process, a tenth of the TTL before the store lets anybody else in. The tenth is for the work
// to stop, and for clocks that run at different speeds.
//
// No lock can stop a program that does not check its context, or whose machine freezes between the check and the
// write. Therefore [Held.Fence] grows from each holder to the next. A resource that remembers the greatest number it has
// seen, and refuses smaller ones, is safe from earlier holders, whatever else happens.
//
// What a store does not keep, a lock does not survive: a store in memory without a data directory loses all locks when it
// restarts, and Redis may lose the latest ones when a replica takes over. Others can then hold the lock before the context
// of its holder ends, which takes until the holder reaches the store again, and at most nine tenths of the TTL. The guide on
// locks has the details for each engine: docs/guides/locks.md.
//
// # The queue
//
// A lock is the entries below its prefix, locks/{NAME}/. Each is of one caller that holds the lock or waits for it, has a
// TTL, and is renewed three times in that time. The entry that was created first is that of the holder. Each of the others
// is of a waiter, which watches the one before it, so that a lock that is released wakes one waiter. The braces keep
// the entries of a lock together in a cluster. Programs need the right to read and write below the prefix.
//
// Deleting an entry takes the lock away from its holder, who notices at once.
package lock
