package wal_test

import (
	"bytes"
	"errors"
	"fmt"

	"key-value/kvservice/store/memory/wal"
)

// picture is what a start loads.
type picture struct {
	state map[string]wal.Change
	log   []wal.Change
	err   error
}

func (p *picture) Entry(c wal.Change) error {
	if p.state == nil {
		p.state = map[string]wal.Change{}
	}
	if len(p.log) > 0 {
		p.err = errors.New("an entry follows on a commit")
	}
	p.state[c.Key] = c
	return nil
}

func (p *picture) Commit(changes []wal.Change, past bool) error {
	if p.state == nil {
		p.state = map[string]wal.Change{}
	}
	for _, c := range changes {
		if n := len(p.log); n > 0 && c.Revision <= p.log[n-1].Revision {
			p.err = fmt.Errorf("revision %d follows on %d", c.Revision, p.log[n-1].Revision)
		}
		p.log = append(p.log, c)
		if !past {
			apply(p.state, c)
		}
	}
	return nil
}

func (p *picture) Progress(int64, int64) {}

// stateOf returns the entries after changes, each with what wrote it last.
func stateOf(changes []wal.Change) map[string]wal.Change {
	state := map[string]wal.Change{}
	for _, c := range changes {
		apply(state, c)
	}
	return state
}

func apply(state map[string]wal.Change, c wal.Change) {
	old, ok := state[c.Key]
	switch {
	case c.Kind == wal.Put:
		state[c.Key] = c
	case c.Kind == wal.Touch && ok:
		old.Revision, old.Updated, old.Deadline = c.Revision, c.Updated, c.Deadline
		state[c.Key] = old
	case c.Kind != wal.Touch:
		delete(state, c.Key)
	}
}

func same(a, b wal.Change) bool {
	return a.Kind == b.Kind && a.Revision == b.Revision && a.Updated == b.Updated && a.Deadline == b.Deadline &&
		a.Key == b.Key && bytes.Equal(a.Value, b.Value)
}
