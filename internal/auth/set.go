package auth

import (
	"crypto/subtle"
	"io/fs"
	"os"
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

// interval is how often the keys file is looked at, and with it the calls that last.
const interval = time.Second

// fileState is what tells one version of a file from another.
type fileState struct {
	info fs.FileInfo // nil: it could not be read
	err  string      // why the last attempt to read it failed; empty: it did not
}

// same reports whether the file that info is about is the one of s.
func (s fileState) same(info fs.FileInfo) bool {
	return s.info != nil && os.SameFile(s.info, info) && s.info.Size() == info.Size() &&
		s.info.ModTime().Equal(info.ModTime()) && s.info.Mode() == info.Mode()
}

// Follow reads the keys file again when it changes, and ends calls whose keys are not valid any more, until stop is
// called. When the file cannot be read, the keys stay as they are.
func (k *Keys) Follow() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				k.reload()
				k.review(time.Now())
			}
		}
	}()
	return func() { close(quit); <-done }
}

// reload reads the file again if it has changed, or if it could not be read the last time. It logs a failure once, and not
// as long as it lasts.
func (k *Keys) reload() {
	if k.file == "" {
		return
	}
	info, err := os.Stat(k.file)
	if err == nil {
		if k.read.same(info) {
			return
		}
		err = k.load()
	}
	switch {
	case err == nil:
		k.log.Info("the keys file was read again", "file", k.file, "keys", len(k.set.Load().keys))
	case err.Error() != k.read.err:
		k.failedReloads.Add(1)
		k.log.Error("the keys file cannot be read again; the keys stay as they were", "file", k.file, "error", err)
		k.read = fileState{err: err.Error()}
	}
}

// load reads the file. It looks at the file's state first, so that a change in between is seen the next time.
func (k *Keys) load() error {
	info, err := os.Stat(k.file)
	if err != nil {
		return err
	}
	f, err := ReadFile(k.file)
	if err != nil {
		return err
	}
	k.set.Store(newSet(k, f, k.set.Load()))
	k.read = fileState{info: info}
	return nil
}
