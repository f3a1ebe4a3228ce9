// Package cache keeps entries of the store in this process, up to date by a watch.
//
// A [Cache] reads all entries of a prefix once and then receives their changes, so [Cache.Get] takes no call and never
// fails. Create one for the life of the program, and share it:
//
//	config, err := cache.New(ctx, kv, cache.Prefix("config/"))
//	if err != nil {
//		return err
//	}
//	defer config.Close()
//	entry, ok := config.Get("config/greeting")
//
// [OnDemand] keeps only the keys that were asked for, within a bound of memory; [Cache.Fetch] then asks the store for the
// others.
//
// # What a read may return
//
// A Get may return what was true a moment ago: as a rule less than a millisecond, and at most [Cache.Age], plus the time that
// a message takes from the store. Beyond that:
//
//   - Reads are monotonic: once a Get, Range or callback has returned a version of a key, no later one anywhere in the
//     process returns an older one. Without OnDemand, that holds across keys too: changes become visible in the order in
//     which the store made them, apart from keys that GetFresh has advanced. A new snapshot becomes visible as a whole.
//   - A program reads its own writes, and those of which it was told, after [Cache.WaitRevision] with their revision.
//   - [Cache.GetFresh] asks the store.
//   - An entry is gone at the instant its TTL elapses by this process's clock, which is later than in the store by the time that
//     the event was on its way.
//   - Only what the store itself loses can go back: with a restart without its data, or a failover of Redis that loses
//     writes, the cache follows the store.
//
// # When the store cannot be reached
//
// The cache keeps what it has, tries again until it is closed, and then catches up with what it missed, or reads a new
// snapshot if the store no longer has that. The same goes for an API key that is revoked or loses its rights: what was
// read stays readable. [Cache.Err] says why the cache is cut off, and [Cache.Age] for how long.
//
// # Callbacks
//
// [Cache.OnChange] calls a function after each change. A function that blocks or panics delays or loses nothing but its own
// calls.
package cache
