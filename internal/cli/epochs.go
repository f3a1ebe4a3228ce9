package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/wal"
)

// epochsSeen collects the epochs of the entries of a store from their etags. The zero value has none.
type epochsSeen struct {
	spans map[uint64]revisions // :: ID of an epoch → the revisions seen of it
	last  store.Version        // of the instant at which the entries were read
}

// revisions is a range of them, with both ends.
type revisions struct{ first, last uint64 }

// add notes the epoch of an entry.
func (e *epochsSeen) add(etag string) error {
	v, ok := store.ParseVersion(etag)
	if !ok || v.Epoch == 0 {
		return fmt.Errorf("the store sent the etag %q, which names no epoch", etag)
	}
	s, seen := e.spans[v.Epoch]
	if !seen {
		s.first = v.Revision
	}
	if e.spans == nil {
		e.spans = map[uint64]revisions{}
	}
	e.spans[v.Epoch] = revisions{min(s.first, v.Revision), max(s.last, v.Revision)}
	return nil
}

// end notes the instant that a resume token names, and returns its revision.
func (e *epochsSeen) end(token string) (uint64, error) {
	version := token[:max(0, strings.LastIndexByte(token, '-'))] // a checksum follows on it
	v, ok := store.ParseVersion(version)
	if !ok || v.Epoch == 0 {
		return 0, fmt.Errorf("the store sent the resume token %q, which names no epoch", token)
	}
	for _, s := range e.spans {
		if s.last > v.Revision {
			return 0, errors.New("the store sent an entry of a later revision than its snapshot")
		}
	}
	e.last = v
	return v.Revision, nil
}

// all returns the epochs, oldest first. The one of the instant is the last.
func (e *epochsSeen) all() wal.Epochs {
	byAge := func(a, b uint64) int { return cmp.Compare(e.spans[a].first, e.spans[b].first) }
	var all wal.Epochs
	before := uint64(0)
	for _, id := range slices.SortedFunc(maps.Keys(e.spans), byAge) {
		all = append(all, wal.Epoch{ID: id, First: e.spans[id].first, Before: before})
		before = e.spans[id].last
	}
	if _, wrote := e.spans[e.last.Epoch]; !wrote {
		all = append(all, wal.Epoch{ID: e.last.Epoch, First: e.last.Revision + 1, Before: e.last.Revision})
	}
	return all
}
