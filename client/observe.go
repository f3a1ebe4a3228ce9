package client

import (
	"connectrpc.com/connect/v2"

	"key-value/internal/hop/batching"
)

// WithRequests has what wrap returns carry the requests that go over the network. This is where a program observes
// them, or adds headers: below what makes calls again, and below what gathers them, which leaves calls with headers of
// their own alone.
func WithRequests(wrap func(next connect.Transport) connect.Transport) Option {
	return func(o *options) { o.wrap = wrap }
}

// WithOverloadPassedOn has calls fail at once which the service answered with OVERLOADED. Otherwise they are made again
// as any others, which is not for a program in between: its own callers would make them again as well.
func WithOverloadPassedOn() Option {
	return func(o *options) { o.passOverload = true }
}

// WithBreaker has calls fail at once with SERVICE_UNAVAILABLE when the service has answered none of those that wait for it
// for three seconds. A few are let through, and with the first answer all of them. It is for a program in between, whose
// own callers are better off with an answer: a program that calls for itself has deadlines for this.
func WithBreaker() Option {
	return func(o *options) { o.breaker = true }
}

// WithGather has gather called for each request that calls share, so that it can carry what they have in their contexts.
func WithGather(gather batching.Gather) Option {
	return func(o *options) { o.gather = gather }
}
