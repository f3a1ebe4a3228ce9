package wal

// Epoch is the time from one start of the store to the next. It identifies versions beside their revisions: revisions that a
// crash took back may be used again, by another epoch.
type Epoch struct {
	ID     uint64 // random, 63 bits, not zero
	First  uint64 // the first revision that it writes
	Before uint64 // the last revision that existed when it began; less than First
}

// Epochs are the epochs of a store, oldest first. The last one is current.
type Epochs []Epoch

// Of returns the ID of the epoch that wrote revision, or zero if none did.
func (e Epochs) Of(revision uint64) uint64 {
	for i := len(e) - 1; i >= 0; i-- {
		if revision >= e[i].First && revision <= e.last(i) {
			return e[i].ID
		}
	}
	return 0
}

// Has reports whether revision existed in the epoch id and still does. The revision before the first one of an epoch counts
// as one of it: it is what a watch had seen that began before the first change.
func (e Epochs) Has(id, revision uint64) bool {
	for i := range e {
		if e[i].ID == id {
			return revision >= e[i].Before && revision <= e.last(i)
		}
	}
	return false
}

// ordered reports whether the epochs may be those of a store.
func (e Epochs) ordered() bool {
	for i, epoch := range e {
		if epoch.ID == 0 || epoch.First <= epoch.Before || i > 0 && epoch.Before < e[i-1].Before {
			return false
		}
	}
	return true
}

// last returns the last revision of epoch i, or the greatest possible one for the current epoch.
func (e Epochs) last(i int) uint64 {
	if i+1 == len(e) {
		return 1<<64 - 1
	}
	return e[i+1].Before
}
