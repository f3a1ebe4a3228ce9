package main

import (
	"fmt"
	"sync"
)

// etags knows what every etag that anybody has seen stands for. One that stands for two things has matched across an
// epoch, or could.
type etags struct {
	mu    sync.Mutex
	known map[version]meaning // guarded by mu
}

// version names a version of a key.
type version struct{ key, etag string }

// meaning is what a version is.
type meaning struct {
	content string
	given   bool // whether a write was acknowledged with it
}

func newEtags() *etags { return &etags{known: map[version]meaning{}} }

// written takes note that a write was acknowledged with an etag, which no other write of that key may have had.
func (e *etags) written(key, etag, content string) error {
	return e.note(version{key, etag}, content, true)
}

// seen takes note that somebody read an etag with its content.
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
		return fmt.Errorf("the etag %s of %s stands for %q and for %q", v.etag, v.key, m.content, content)
	case ok && given && m.given:
		return fmt.Errorf("the etag %s of %s was given to two writes of %q", v.etag, v.key, content)
	}
	return nil
}

func (e *etags) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.known)
}
