package main

import (
	"fmt"
	"sync"
)

// etags records the write that each observed etag stands for. An etag that stands for two writes could match across an
// epoch.
type etags struct {
	mu    sync.Mutex
	known map[version]meaning // guarded by mu
}

// version is an etag of a key.
type version struct{ key, etag string }

// meaning is the write that a version stands for.
type meaning struct {
	content string
	given   bool // whether a write was acknowledged with it
}

func newEtags() *etags { return &etags{known: map[version]meaning{}} }

// written records that a write was acknowledged with an etag, which no other write of that key may have.
func (e *etags) written(key, etag, content string) error {
	return e.note(version{key, etag}, content, true)
}

// seen records that an etag was read with its value.
func (e *etags) seen(key, etag, content string) error {
	return e.note(version{key, etag}, content, false)
}

func (e *etags) note(v version, content string, given bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.known[v]
	e.known[v] = meaning{content, given || m.given}
	switch {
	case v.etag == "":
		return fmt.Errorf("%s has %q without an etag", v.key, content)
	case ok && m.content != content:
		return fmt.Errorf("etag %s of %s stands for both %q and %q", v.etag, v.key, m.content, content)
	case ok && given && m.given:
		return fmt.Errorf("etag %s of %s was given to two writes of %q", v.etag, v.key, content)
	}
	return nil
}

func (e *etags) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.known)
}
