package client

import (
	"connectrpc.com/connect/v2"

	"key-value/client/batching"
)

// WithRequests has what wrap returns carry the requests that go over the network. This is where a program observes
// them, or adds headers: below what makes calls again, and below what gathers them, which leaves calls with headers of
// their own alone.
func WithRequests(wrap func(next connect.Transport) connect.Transport) Option {
	return func(o *options) { o.wrap = wrap }
}

// WithGather has gather called for each request that calls share, so that it can carry what they have in their contexts.
func WithGather(gather batching.Gather) Option {
	return func(o *options) { o.gather = gather }
}
