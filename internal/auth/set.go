package auth

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"key-value/internal/admission/share"
	"key-value/internal/follow"
	"key-value/internal/keyrange"
)

// set is the contents of a keys file, ready to be compared with. It is never changed.
type set struct {
	keys map[string]*fileKey // :: id → key
	none *fileKey            // compared with in place of an unknown id
}

// fileKey is a key of the file.
type fileKey struct {
	current, previous Hash // previous is zero, the hash of nothing, if the key was not rotated
	revoked           bool
	notBefore         time.Time
	expires           time.Time // zero: never
	previousExpires   time.Time
	rate              *rate // nil: no limit
	holder            *share.Holder
	principals        [2]Principal // of callers that send the current key, and the previous one
}

// noKeys is the set of [Keys] without a file.
var noKeys = newSet(nil, &File{}, nil)

// newSet returns the keys of f for keys. Keys whose rate is as in old, which may be nil, keep what is left of it. Keys in
// old keep what they hold.
func newSet(keys *Keys, f *File, old *set) *set {
	s := &set{keys: make(map[string]*fileKey, len(f.Keys)), none: &fileKey{revoked: true}}
	for i := range f.Keys {
		r := &f.Keys[i]
		k := &fileKey{
			current: r.SHA256, revoked: r.Status != Active, notBefore: r.NotBefore, expires: r.Expires,
			rate: rateOf(r, old), holder: holderOf(r, old),
		}
		if r.Previous != nil {
			k.previous, k.previousExpires = r.Previous.SHA256, r.Previous.Expires
		}
		all := r.Grants.allowsRange(Read|Write, keyrange.Range{})
		for i, hash := range []Hash{k.current, k.previous} {
			k.principals[i] = Principal{
				ID: r.ID, grants: r.Grants, all: all, rate: k.rate, expires: k.expires, holder: k.holder, keys: keys, hash: hash,
			}
		}
		if k.expires.IsZero() || k.previousExpires.Before(k.expires) {
			k.principals[1].expires = k.previousExpires
		}
		s.keys[r.ID] = k
	}
	return s
}

func rateOf(r *Record, old *set) *rate {
	if r.RequestsPerSecond == 0 {
		return nil
	}
	if old != nil {
		if k := old.keys[r.ID]; k != nil && k.rate != nil && k.rate.perSecond == r.RequestsPerSecond {
			return k.rate
		}
	}
	return newRate(r.RequestsPerSecond)
}

func holderOf(r *Record, old *set) *share.Holder {
	if old != nil {
		if k := old.keys[r.ID]; k != nil {
			return k.holder
		}
	}
	return &share.Holder{}
}

// find returns the principal whose key has this hash, or nil. It compares as much for an unknown id as for a known one.
func (s *set) find(id string, hash Hash, now time.Time) *Principal {
	k := s.key(id)
	isCurrent := subtle.ConstantTimeCompare(hash[:], k.current[:]) == 1
	isPrevious := subtle.ConstantTimeCompare(hash[:], k.previous[:]) == 1
	return k.principal(isCurrent, isPrevious, now)
}

// key returns the key with this id, or none.
func (s *set) key(id string) *fileKey {
	if k := s.keys[id]; k != nil {
		return k
	}
	return s.none
}

// principal returns the principal of a caller with the current or the previous key, or nil if that is not valid now.
func (k *fileKey) principal(isCurrent, isPrevious bool, now time.Time) *Principal {
	switch {
	case k.revoked, now.Before(k.notBefore), !k.expires.IsZero() && !now.Before(k.expires):
		return nil
	case isCurrent:
		return &k.principals[0]
	case isPrevious && now.Before(k.previousExpires):
		return &k.principals[1]
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

// current returns the keys of the file, none if there is no file.
func (k *Keys) current() *set {
	if k.files == nil {
		return noKeys
	}
	return k.files.Load()
}

// Follow calls Reload once a second until stop is called.
func (k *Keys) Follow() (stop func()) { return follow.Start(k.log, k) }

// Reload reads the keys file again if it changed, and ends streams whose key lost the right to them. A key can expire
// without a change of the file.
func (k *Keys) Reload(log *slog.Logger) {
	if k.files != nil {
		k.files.Reload(log)
	}
	k.review(time.Now())
}
