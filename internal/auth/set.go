package auth

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"key-value/internal/follow"
)

// set is what a keys file said when it was read. It is never changed.
type set struct {
	keys map[string]*holder // :: id → holder
	none *holder            // in place of those that there are not
}

// holder is a key of the file, ready to be compared with.
type holder struct {
	current, previous Hash // previous is zero, which nothing hashes to, if there is none
	revoked           bool
	notBefore         time.Time
	expires           time.Time // zero: never
	previousExpires   time.Time
	grants            Grants
	all               bool // whether grants are all rights
	rate              *bucket
	principals        [2]Principal // of who shows the current key, and the previous one
}

// noKeys is the set of Keys without a file.
var noKeys = newSet(nil, &File{}, nil)

// newSet returns the set of f for keys. Limits that did not change go on from where they are in old, which may be nil.
func newSet(keys *Keys, f *File, old *set) *set {
	s := &set{keys: make(map[string]*holder, len(f.Keys)), none: &holder{revoked: true}}
	for i := range f.Keys {
		r := &f.Keys[i]
		h := &holder{
			current: r.SHA256, revoked: r.Status != Active, notBefore: r.NotBefore, expires: r.Expires,
			grants: r.Grants, all: r.Grants.allowsRange(Read|Write, ""),
		}
		if r.Previous != nil {
			h.previous, h.previousExpires = r.Previous.SHA256, r.Previous.Expires
		}
		h.rate = rateOf(r, old)
		for i, hash := range []Hash{h.current, h.previous} {
			h.principals[i] = Principal{ID: r.ID, grants: h.grants, all: h.all, rate: h.rate, keys: keys, hash: hash}
		}
		s.keys[r.ID] = h
	}
	return s
}

func rateOf(r *Record, old *set) *bucket {
	if r.RequestsPerSecond == 0 {
		return nil
	}
	if old != nil {
		if h := old.keys[r.ID]; h != nil && h.rate != nil && h.rate.perSecond == r.RequestsPerSecond {
			return h.rate
		}
	}
	return newBucket(r.RequestsPerSecond)
}

// find returns whose key has hash, or nil. It compares as much for an id that there is not as for one that there is.
func (s *set) find(id string, hash Hash, now time.Time) *Principal {
	h := s.keys[id]
	if h == nil {
		h = s.none
	}
	isCurrent := subtle.ConstantTimeCompare(hash[:], h.current[:]) == 1
	isPrevious := subtle.ConstantTimeCompare(hash[:], h.previous[:]) == 1
	switch {
	case h.revoked, now.Before(h.notBefore), !h.expires.IsZero() && !now.Before(h.expires):
		return nil
	case isCurrent:
		return &h.principals[0]
	case isPrevious && now.Before(h.previousExpires):
		return &h.principals[1]
	}
	return nil
}

// openFile reads the keys file at path.
func (k *Keys) openFile(path string) (err error) {
	k.files, err = follow.Open(follow.Config[set]{
		Paths: []string{path},
		Read:  readFile,
		Parse: func(contents [][]byte) (*set, error) {
			f, err := parseFile(contents[0])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return newSet(k, f, k.current()), nil
		},
		Label:    slog.String("file", path),
		Describe: func(s *set) slog.Attr { return slog.Int("keys", len(s.keys)) },
	})
	return err
}

// current returns the keys of the file in use.
func (k *Keys) current() *set {
	if k.files == nil {
		return noKeys
	}
	return k.files.Load()
}

// Follow reloads the keys file when it changes, and ends streams whose key lost the right to them, until stop is called.
func (k *Keys) Follow() (stop func()) { return follow.Start(k.log, k) }

// Reload implements [follow.Reloader]. A key can expire without a change of the file, so streams are reviewed each time.
func (k *Keys) Reload(log *slog.Logger) {
	if k.files != nil {
		k.files.Reload(log)
	}
	k.review(time.Now())
}
