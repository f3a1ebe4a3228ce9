package store

import "context"

// Pauser counts calls that run, of which there may be few at a time. A call that waits for a disk does not run meanwhile.
type Pauser interface {
	// Pause lets another call run.
	Pause()
	// Resume ends a Pause. It does not wait: there may be more calls than allowed for a while.
	Resume()
}

type pauserKey struct{}

// WithPauser returns ctx for calls of an engine that p counts.
func WithPauser(ctx context.Context, p Pauser) context.Context {
	return context.WithValue(ctx, pauserKey{}, p)
}

// Pause lets another call run in place of that of ctx until resume is called, if a [Pauser] counts it.
func Pause(ctx context.Context) (resume func()) {
	p, ok := ctx.Value(pauserKey{}).(Pauser)
	if !ok {
		return func() {}
	}
	p.Pause()
	return p.Resume
}
