// Package election makes one of many programs the leader, and tells all of them which one it is.
//
//	e, err := election.New(kv, "scheduler")
//	…
//	term, err := e.Campaign(ctx, "10.0.0.7:9000") // waits until the leaders before it are gone
//	if err != nil {
//		return err
//	}
//	defer term.Resign()
//	return schedule(term.Context(), term.Fence())
//
// A leader is the holder of a lock, in the queue of which the candidates wait. What package lock promises holds here too:
// the context of a leader ends before another one is elected, as long as the store keeps what it acknowledged, and a
// number that grows from leader to leader fences off earlier ones.
package election

import (
	"context"
	"iter"

	"key-value/client"
	"key-value/client/lock"
)

// Election is an election, which all programs that use the same name share. Create it with [New].
type Election struct {
	kv   *client.Client
	name string
	opts []lock.Option
	lock *lock.Lock // of somebody who does not campaign
}

// Leader is the winner of an election.
type Leader struct {
	Value string // what it said about itself, such as its address
	Fence uint64 // its [Term.Fence]
}

// New returns an election without calling the store. Its options are those of a lock: [lock.TTL] is how long a leader
// that has died keeps others waiting, and [lock.Wait] how long [Election.Campaign] takes at most. Keys begin with
// "elections/", unless [lock.Prefix] says otherwise. It fails as [lock.New] does.
func New(kv *client.Client, name string, opts ...lock.Option) (*Election, error) {
	opts = append([]lock.Option{lock.Prefix("elections/")}, opts...)
	l, err := lock.New(kv, name, opts...)
	if err != nil {
		return nil, err
	}
	return &Election{kv, name, opts, l}, nil
}

// Campaign waits until this candidate leads. Value is what others are told about it, such as its address. Candidates come
// to lead in the order of their calls. It fails as [lock.Lock.Lock] does.
func (e *Election) Campaign(ctx context.Context, value string) (*Term, error) {
	l, err := lock.New(e.kv, e.name, append(e.opts[:len(e.opts):len(e.opts)], lock.Value(value))...)
	if err != nil {
		return nil, err
	}
	held, err := l.Lock(ctx)
	if err != nil {
		return nil, err
	}
	return &Term{held}, nil
}

// Leader returns the leader, or false if there is none. A leader that has died counts as leading until its TTL has passed.
func (e *Election) Leader(ctx context.Context) (Leader, bool, error) {
	holder, ok, err := e.lock.Holder(ctx)
	return Leader(holder), ok, err
}

// Observe yields the leader, and each one that follows, until ctx ends. A zero Leader means that nobody leads. It works like
// [lock.Lock.Observe].
func (e *Election) Observe(ctx context.Context) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		for holder, err := range e.lock.Observe(ctx) {
			if !yield(Leader(holder), err) {
				return
			}
		}
	}
}

// Term is the time for which a candidate leads.
type Term struct{ held *lock.Held }

// Context returns the context for what only the leader does. It ends when the leadership may be lost or [Term.Resign] is
// called, as [lock.Held.Context] says.
func (t *Term) Context() context.Context { return t.held.Context() }

// Fence returns a number that is greater than that of every earlier leader; see [lock.Held.Fence].
func (t *Term) Fence() uint64 { return t.held.Fence() }

// Resign lets the next candidate lead. It fails as [lock.Held.Unlock] does.
func (t *Term) Resign() error { return t.held.Unlock() }
