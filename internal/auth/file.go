package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

const (
	// fileVersion is the version of keys files that this package reads and writes.
	fileVersion = 1
	// fileBytes is the largest keys file.
	fileBytes = 64 << 20
)

// File is the contents of a keys file. It holds hashes of keys, never a key.
type File struct {
	Version int      `json:"version"`
	Keys    []Record `json:"keys"`
}

// Record is one key of a [File].
type Record struct {
	ID                string    `json:"id"`
	SHA256            Hash      `json:"sha256"`
	Status            Status    `json:"status"`
	Created           time.Time `json:"created,omitzero"`
	NotBefore         time.Time `json:"notBefore,omitzero"` // zero: already valid
	Expires           time.Time `json:"expires,omitzero"`   // zero: never
	Grants            Grants    `json:"grants"`
	RequestsPerSecond float64   `json:"requestsPerSecond,omitzero"` // zero: no limit
	Previous          *Previous `json:"previous,omitzero"`          // nil: not rotated
}

// Previous is the key before its rotation. It is valid until it expires, beside the current one.
type Previous struct {
	SHA256  Hash      `json:"sha256"`
	Expires time.Time `json:"expires"`
}

// Status tells whether a key was revoked.
type Status string

// The values of Status.
const (
	Active  Status = "active"
	Revoked Status = "revoked"
)

// Find returns the record with this id, or nil.
func (f *File) Find(id string) *Record {
	for i := range f.Keys {
		if f.Keys[i].ID == id {
			return &f.Keys[i]
		}
	}
	return nil
}

// ReadFile reads the keys file at path. Only its owner may have access to it. The group of a file that belongs to root may read
// it, because root chose the group, and a server that does not run as root has no other way to read it.
func ReadFile(path string) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parseFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// readFile returns the contents of the keys file at path.
func readFile(path string) ([]byte, error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (create it with kv keys create --file %s --id ID)", err, path)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkMode(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(in, fileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > fileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, fileBytes)
	}
	return messagejson.TrimMark(data), nil
}

func checkMode(path string, info fs.FileInfo) error {
	allowed, hint := fs.FileMode(0o700), ""
	if ownedByRoot(info) {
		allowed, hint = 0o740, ", or 640 if its group should read it"
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case mode.Perm()&^allowed != 0:
		return fmt.Errorf("%s has mode %04o, which gives access to others than its owner: run chmod 600 %s%s", path, mode.Perm(), path, hint)
	}
	return nil
}

// parseFile rejects unknown members. Ignoring them could drop a restriction on a key, and would lose them when the file
// is written again.
func parseFile(data []byte) (*File, error) {
	var format struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &format); err != nil {
		return nil, err
	}
	if format.Version != fileVersion {
		return nil, fmt.Errorf("unsupported version %d of the keys file: want %d", format.Version, fileVersion)
	}
	f := &File{}
	if err := json.Unmarshal(data, f, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	return f, f.check()
}

// format returns the file as JSON.
func (f *File) format() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(f, jsontext.WithIndent("  "))
	return append(data, '\n'), err
}

func (f *File) check() error {
	seen := map[string]bool{}
	for _, r := range f.Keys {
		if seen[r.ID] {
			return fmt.Errorf("duplicate key id %q", r.ID)
		}
		seen[r.ID] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("key %q: %w", r.ID, err)
		}
	}
	return nil
}

func (r *Record) check() error {
	rps := r.RequestsPerSecond
	switch {
	case !ValidID(r.ID):
		return errors.New("invalid id: want 1 to 32 of a-z, 0-9 and -, not starting with -")
	case r.SHA256 == Hash{}, r.Previous != nil && r.Previous.SHA256 == Hash{}:
		return errors.New("sha256 is missing")
	case r.Previous != nil && r.Previous.Expires.IsZero():
		return errors.New("previous.expires is missing")
	case r.Status != Active && r.Status != Revoked:
		return fmt.Errorf("invalid status %q: want active or revoked", r.Status)
	case rps < 0 || rps > 1e9 || math.IsNaN(rps) || rps != 0 && rps < 0.001:
		return fmt.Errorf("invalid requestsPerSecond %v: want 0.001 to 1000000000, or 0 for no limit", rps)
	}
	for i, grant := range r.Grants {
		if len(grant.Prefix) > contract.MaxKeyBytes {
			return fmt.Errorf("prefix too long: %d bytes, limit %d", len(grant.Prefix), contract.MaxKeyBytes)
		}
		if slices.ContainsFunc(r.Grants[:i], func(g Grant) bool { return g.Prefix == grant.Prefix }) {
			return fmt.Errorf("duplicate grant for prefix %q", grant.Prefix)
		}
	}
	return nil
}
