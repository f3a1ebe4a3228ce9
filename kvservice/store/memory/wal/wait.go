package wal

import (
	"context"
	"time"
)

// Told returns the last revision that may be told, without waiting.
func (l *Log) Told() uint64 { return l.told.Load() }

// Wait waits until revision may be told. It fails with [ErrFailed] or [ErrClosed], or with the error of ctx: then the
// change may or may not survive a crash.
func (l *Log) Wait(ctx context.Context, revision uint64) error {
	for l.told.Load() < revision {
		round, err := l.roundOf(revision)
		if round == nil {
			return err
		}
		if err := l.waiter.Wait(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// roundOf returns what is closed when the round of the writer that takes revision ends. It is nil if revision may be told, or
// if there is an error.
//
// What is appended during a round waits for the next one, so that the end of a round wakes nothing in vain.
func (l *Log) roundOf(revision uint64) (<-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.told.Load() >= revision:
		return nil, nil
	case l.err != nil:
		return nil, l.err
	case revision > l.taken:
		return l.next, nil
	}
	return l.round, nil
}

// beginRoundLocked begins the round of all that has been appended.
func (l *Log) beginRoundLocked() {
	if l.taken < l.last {
		close(l.round)
		l.taken, l.round, l.next = l.last, l.next, make(chan struct{})
	}
}

// endRoundLocked wakes what waits for commits that the writer has taken.
func (l *Log) endRoundLocked() {
	close(l.round)
	l.round = make(chan struct{})
}

// Admit waits while the log is too far behind for another write. It fails with [ErrBehind] after [Options.Patience], with
// [ErrFailed], or with the error of ctx. The caller must not hold the lock that orders writers.
func (l *Log) Admit(ctx context.Context) error {
	if !l.Behind() {
		return l.broken()
	}
	patience := time.NewTimer(l.options.Patience)
	defer patience.Stop()
	for {
		l.mu.Lock()
		err, round := l.err, l.round
		l.mu.Unlock()
		if err != nil || !l.Behind() {
			return err
		}
		select {
		case <-round:
		case <-patience.C:
			return ErrBehind
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Behind reports whether Admit would wait: too much waits to be written, or a commit has not been synced within the bound.
func (l *Log) Behind() bool { return l.waiting.Load() > maxPending || l.overdue() }

// overdue reports whether a commit has not been synced within the bound.
func (l *Log) overdue() bool {
	oldest := l.oldest.Load()
	return oldest != 0 && int64(l.sinceStart())-oldest > int64(l.options.Fsync)
}

// publishLocked lets be told what may be by now, and wakes all that wait for that.
func (l *Log) publishLocked() {
	told := l.synced
	if l.options.Fsync != Always && !l.overdue() {
		told = l.written
	}
	if l.err == nil && told > l.told.Load() {
		l.told.Store(told)
	}
	l.endRoundLocked()
}

// age is when the oldest of some commits was appended.
type age struct {
	last  uint64 // the last revision of these commits
	since time.Time
}

// unsyncedLocked notes that the kernel has commits that are not synced yet. Those of a sixteenth of the bound count as equally
// old, so that there are few ages.
func (l *Log) unsyncedLocked(last uint64, since time.Time) {
	if l.options.Fsync <= 0 || last == 0 {
		return
	}
	if n := len(l.ages); n > 0 && since.Sub(l.ages[n-1].since) < l.options.Fsync/16 {
		l.ages[n-1].last = last
	} else {
		l.ages = append(l.ages, age{last, since})
	}
	l.setOldestLocked()
	signal(l.dirty)
}

// syncedLocked notes that all up to revision is on disk.
func (l *Log) syncedLocked(revision uint64) {
	l.synced = revision
	for len(l.ages) > 0 && l.ages[0].last <= revision {
		l.ages = l.ages[1:]
	}
	l.setOldestLocked()
	l.publishLocked()
}

func (l *Log) setOldestLocked() {
	oldest := int64(0)
	if len(l.ages) > 0 {
		oldest = max(1, int64(l.ages[0].since.Sub(l.start)))
	}
	l.oldest.Store(oldest)
}

// signal puts a value into c unless it has one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
