package client

import (
	"crypto/tls"
	"net/http"

	"connectrpc.com/connect/v2"

	"key-value/internal/hop"
)

// Option configures a [Client], or a transport of [NewTransport].
type Option func(*options)

type options struct {
	http hop.HTTPConfig
	hop  hop.Config

	observers
}

// WithAPIKey sends an API key with every call. A kvservice accepts its service token as the key. An empty key is not sent.
func WithAPIKey(key string) Option {
	return func(o *options) { o.hop.Credential = hop.APIKey(key) }
}

// WithTLS configures connections to a service at https://, such as which certificate authorities to trust and which
// client certificate to present. Without it, the system's authorities are trusted. It has no effect together with
// [WithHTTPClient].
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.http.TLS = config }
}

// WithHTTPClient replaces the HTTP client, such as to use a proxy. It must speak HTTP/2 to a service at http://, and
// should have no Timeout, which would cut off watches. It follows no redirects unless its CheckRedirect is set.
func WithHTTPClient(c *http.Client) Option {
	return func(o *options) { o.http.Client = c }
}

// WithMaxValueBytes sets the length of the service's longest value, in bytes. It is needed to read values that are
// much longer than 1 MiB, the default. Zero means the default.
func WithMaxValueBytes(n int) Option {
	return func(o *options) { o.http.MaxValueBytes = n }
}

// WithoutBatching sends every call as a request of its own. By default, calls that are waiting at the same time share
// requests.
func WithoutBatching() Option {
	return func(o *options) { o.hop.Batch = false }
}

// WithoutRetries sends every call once. By default, a call that failed for want of a service is retried up to three
// times, after 25 to 200 ms, if that is safe:
//   - a read, which is Get, List, Stats or a batch of gets, when it fails with [ErrUnavailable];
//   - any call when no connection could be opened for it, or when the service rejected it as overloaded: it was not
//     carried out.
//
// Any other write that got no answer may or may not have been applied, so it fails with [ErrUnavailable] and the caller
// decides. A write with [IfMatch] or [IfAbsent] can be repeated, because it is applied at most once.
//
// A retry never outlasts the context of its call, and a call that ran out of time is not retried. While many calls fail,
// retries are limited: to a few hundred at first, and then to one for every ten calls that are answered.
func WithoutRetries() Option {
	return func(o *options) { o.hop.Retry = false }
}

// NewTransport returns a transport to the gateway or kvservice at baseURL, for a [connect.Client] under generated stubs.
// Most programs want [New].
func NewTransport(baseURL string, opts ...Option) (connect.Transport, error) {
	transport, _, err := newOptions(opts).transport(baseURL)
	return transport, err
}

func newOptions(opts []Option) *options {
	o := &options{hop: hop.Config{Library: true, Retry: true, RetryOverloaded: true, Batch: true}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// transport returns the transport to a service at baseURL, and that of requests at its bottom.
func (o *options) transport(baseURL string) (connect.Transport, *hop.HTTPTransport, error) {
	service, err := hop.HTTP(baseURL, o.http)
	if err != nil {
		return nil, nil, err
	}
	if err := o.observe(&o.hop); err != nil {
		return nil, nil, err
	}
	return hop.New(service, o.hop), service, nil
}
