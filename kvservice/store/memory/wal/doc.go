// Package wal keeps the changes of a memory engine on disk: a write-ahead log, and snapshots that bound its length.
//
// # Directory
//
// One directory belongs to one [Log] at a time, which locks it. It holds
//
//	log-0000000007       segment 7 of the log: a header, then one frame for each commit
//	snapshot-0000000007  all entries as they were when segment 7 began
//	spare                the next segment, preallocated, not in use yet
//	*.tmp                a snapshot being written
//	*.cut-N              a copy of what was cut from a file at byte N, for people
//
// A snapshot is written beside, synced and renamed, after its segment is on disk; then what precedes it is deleted, except
// for segments that have the latest [Options.HistoryBytes], from which watches resume after a restart. Loading reads the
// latest snapshot and the segments that follow. Each start begins a new segment and a new epoch.
//
// # Damage
//
// Everything has a CRC32C. The revisions of commits must follow on from one another, across segments too, so a segment that
// is missing is noticed. Each frame tells how much of its segment had been synced before it was written: a frame that does
// not read, and that no later frame claims to be synced, is what a crash leaves behind; [Open] cuts it and keeps a copy.
// Anything else that does not read is damage, and Open fails with an error of type [*DamageError].
//
// # What a caller does
//
// A write calls [Log.Admit] without a lock; then, under the lock that orders writers, [Log.Reserve] before it changes
// anything and [Log.Append] once the change has its revision; then, without the lock, [Log.Wait]. A read waits for the
// highest revision that it shows. Expiry and eviction only call Append. Neither Reserve nor Append waits for the disk,
// except that Reserve may ask the file system for more room.
package wal
