package wal

import (
	"context"
	"time"
)

// Told returns the last revision that may be told, without waiting.
func (l *Log) Told() uint64 { return l.told.Load() }

// Wait waits until revision may be told. It fails with [ErrFailed] or [ErrClosed], or with the error of ctx, up to [usualWait]
// late: then the change may or may not survive a crash.
func (l *Log) Wait(ctx context.Context, revision uint64) error {
	for l.told.Load() < revision {
		round, slow, err := l.nextRound(revision)
		if round == nil {
			return err
		}
		select {
		case <-round:
			continue
		case <-slow:
		}
		select {
		case <-round:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// nextRound returns what is closed when the next round ends, and when that takes long. Round is nil if revision may be told,
// or if there is an error.
func (l *Log) nextRound(revision uint64) (round, slow <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.told.Load() >= revision:
		return nil, nil, nil
	case l.err != nil:
		return nil, nil, l.err
	}
	if l.timer == nil {
		late := l.slow
		l.timer = time.AfterFunc(usualWait, func() { close(late) })
	}
	return l.round, l.slow, nil
}

// usualWait is how long a wait does not look at its context, whose channel costs more than the wait if it is not needed.
const usualWait = 10 * time.Millisecond

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
	l.broadcastLocked()
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
