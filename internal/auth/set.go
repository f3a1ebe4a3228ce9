package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
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

// HashOf returns the hash of a key.
func HashOf(key string) Hash {
	var room [128]byte // for all but the longest, so that they need no memory
	if len(key) > len(room) {
		return sha256.Sum256([]byte(key))
	}
	return sha256.Sum256(room[:copy(room[:], key)])
}
