package client

import (
	"crypto/tls"
	"net/http"

	"connectrpc.com/connect/v2"

	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/hop/batching"
)

// Option says how to reach a service.
type Option func(*hop.Options)

// WithAPIKey sends an API key with every call.
func WithAPIKey(key string) Option {
	return func(o *hop.Options) { o.Header, o.Credential = auth.Header, key }
}

// WithBearer sends a token with every call, as Authorization: Bearer.
func WithBearer(token string) Option {
	return func(o *hop.Options) { o.Header, o.Credential = "Authorization", "Bearer "+token }
}

// WithTLS says how to speak TLS to a service at https://…, such as which authorities to trust and which certificate
// to show. Without it, the system's authorities are trusted. It has no effect beside [WithHTTPClient].
func WithTLS(config *tls.Config) Option {
	return func(o *hop.Options) { o.TLS = config }
}

// WithHTTPClient replaces the HTTP client, as for a proxy of one's own. It must speak HTTP/2 to a service at http://…,
// and should have no Timeout, which would cut watches. Redirects are not followed unless its CheckRedirect says so.
func WithHTTPClient(c *http.Client) Option {
	return func(o *hop.Options) { o.HTTPClient = c }
}

// WithMaxValueBytes says how long the service's longest value is, in bytes, if that is not 1 MiB.
func WithMaxValueBytes(n int) Option {
	return func(o *hop.Options) { o.MaxValueBytes = n }
}

// WithoutBatching sends every call as a request of its own. Otherwise calls that are made while others are under
// way share requests; see package batching.
func WithoutBatching() Option {
	return func(o *hop.Options) { o.Unbatched = true }
}

// WithoutRetries makes every call once. Otherwise a call that failed for want of a service is made again, up to three
// times after 25 to 200 ms, if that is safe:
//   - a read, which is Get, List, Stats or a batch of gets, when it fails with [ErrUnavailable];
//   - any call when no connection could be made to send it on, or when the service answered OVERLOADED: it has then
//     certainly not been carried out.
//
// Any other write that got no answer may have been made, so it fails with [ErrUnavailable], and it is for the caller to
// say what then; one with [IfMatch] or [IfAbsent] can be made again, because at most one of the two is carried out.
//
// No call outlasts its context, and none is made again that ran out of time. While much of what is called fails,
// calls are made once: beside a few hundred at first, at most one is made again for ten that are answered.
func WithoutRetries() Option {
	return func(o *hop.Options) { o.Once = true }
}

// WithRequests has what wrap returns carry the requests that go over the network. This is where a program observes
// them, or adds headers: below what makes calls again, and below what gathers them, which leaves calls with headers of
// their own alone.
func WithRequests(wrap func(next connect.Transport) connect.Transport) Option {
	return func(o *hop.Options) { o.Wrap = wrap }
}

// WithOverloadPassedOn has calls fail at once which the service answered with OVERLOADED. Otherwise they are made again
// as any others, which is not for a program in between: its own callers would make them again as well.
func WithOverloadPassedOn() Option {
	return func(o *hop.Options) { o.PassOverload = true }
}

// WithBreaker has calls fail at once with SERVICE_UNAVAILABLE when the service has answered none of those that wait for it
// for three seconds. A few are let through, and with the first answer all of them. It is for a program in between, whose
// own callers are better off with an answer: a program that calls for itself has deadlines for this.
func WithBreaker() Option {
	return func(o *hop.Options) { o.Breaker = true }
}

// WithGather has gather called for each request that calls share, so that it can carry what they have in their contexts.
func WithGather(gather batching.Gather) Option {
	return func(o *hop.Options) { o.Gather = gather }
}

// NewTransport returns a transport to the gateway or the kvservice at baseURL, for a [connect.Client] under
// generated stubs. With http:// it speaks HTTP/2 without TLS. Most programs want [New].
func NewTransport(baseURL string, opts ...Option) (connect.Transport, error) {
	transport, _, err := hop.Dial(baseURL, newOptions(opts))
	return transport, err
}

func newOptions(opts []Option) hop.Options {
	o := hop.Options{MaxValueBytes: contract.DefaultValueBytes}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}
