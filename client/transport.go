package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/hop/batching"
)

const (
	// dialTimeout bounds how long a connection may take to be made.
	dialTimeout = 3 * time.Second
	// idleTimeout closes a connection that nobody uses.
	idleTimeout = 90 * time.Second
	// pingAfter is how long a connection may be silent before it is asked for a sign of life, and pingTimeout
	// how long that may take. A peer that vanished without a word is noticed after both.
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
	// writeTimeout closes a connection that takes no more bytes.
	writeTimeout = 10 * time.Second
)

// Option says how to reach a service.
type Option func(*options)

type options struct {
	header        string // the header that carries credential
	credential    string
	httpClient    *http.Client
	tls           *tls.Config
	maxValueBytes int
	unbatched     bool
	once          bool // make no call twice
	passOverload  bool // make none twice that was refused as OVERLOADED
	breaker       bool
	wrap          func(connect.Transport) connect.Transport
	gather        batching.Gather // nil: batches carry nothing of their calls
}

// WithAPIKey sends an API key with every call.
func WithAPIKey(key string) Option {
	return func(o *options) { o.header, o.credential = auth.Header, key }
}

// WithBearer sends a token with every call, as Authorization: Bearer.
func WithBearer(token string) Option {
	return func(o *options) { o.header, o.credential = "Authorization", "Bearer "+token }
}

// WithTLS says how to speak TLS to a service at https://…, such as which authorities to trust and which certificate
// to show. Without it, the system's authorities are trusted. It has no effect beside [WithHTTPClient].
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.tls = config }
}

// WithHTTPClient replaces the HTTP client, as for a proxy of one's own. It must speak HTTP/2 to a service at http://…,
// and should have no Timeout, which would cut watches. Redirects are not followed unless its CheckRedirect says so.
func WithHTTPClient(c *http.Client) Option {
	return func(o *options) { o.httpClient = c }
}

// WithMaxValueBytes says how long the service's longest value is, in bytes, if that is not 1 MiB.
func WithMaxValueBytes(n int) Option {
	return func(o *options) { o.maxValueBytes = n }
}

// WithoutBatching sends every call as a request of its own. Otherwise calls that are made while others are under
// way share requests; see package batching.
func WithoutBatching() Option {
	return func(o *options) { o.unbatched = true }
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
	return func(o *options) { o.once = true }
}

// NewTransport returns a transport to the gateway or the kvservice at baseURL, for a [connect.Client] under
// generated stubs. With http:// it speaks HTTP/2 without TLS. Most programs want [New].
func NewTransport(baseURL string, opts ...Option) (connect.Transport, error) {
	transport, _, err := dial(baseURL, newOptions(opts))
	return transport, err
}

func newOptions(opts []Option) options {
	o := options{maxValueBytes: contract.DefaultValueBytes}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// dial returns a transport and the HTTP client under it.
func dial(baseURL string, o options) (connect.Transport, *http.Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, nil, fmt.Errorf("%q is no address of a service; one looks like http://127.0.0.1:8888", baseURL)
	}
	httpClient := newHTTPClient(u.Scheme, o.tls)
	if o.httpClient != nil {
		httpClient = withoutRedirects(o.httpClient)
	}
	transport := connecthttp.NewTransport(httpClient, baseURL,
		connecthttp.WithReadMaxBytes(contract.MaxResponseBytes(o.maxValueBytes)),
		connecthttp.WithCompressors(), // values are small or do not compress
	)
	if o.credential != "" {
		transport = credentialed{transport, o.header, o.credential}
	}
	if o.wrap != nil {
		transport = o.wrap(transport)
	}
	if !o.unbatched {
		transport = batching.New(transport, batching.WithGather(o.gather))
	}
	if !o.once {
		transport = newRetrying(transport, o)
	}
	return transport, httpClient, nil
}

func newHTTPClient(scheme string, config *tls.Config) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(scheme == "http")
	protocols.SetHTTP2(scheme == "https")
	protocols.SetHTTP1(scheme == "https")
	return withoutRedirects(&http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: dialTimeout,
			IdleConnTimeout:     idleTimeout,
			DisableCompression:  true,
			Protocols:           protocols,
			HTTP2: &http.HTTP2Config{
				SendPingTimeout:  pingAfter,
				PingTimeout:      pingTimeout,
				WriteByteTimeout: writeTimeout,
			},
		},
	})
}

// withoutRedirects returns a client that follows no redirect, unless c says itself what to do with one: it would
// carry the credential to somebody else.
func withoutRedirects(c *http.Client) *http.Client {
	if c.CheckRedirect != nil {
		return c
	}
	guarded := *c
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return hop.ErrRedirect }
	return &guarded
}

// credentialed adds a header to every call.
type credentialed struct {
	next          connect.Transport
	header, value string
}

func (c credentialed) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok {
		ctx, info = connect.NewClientContext(ctx)
	}
	info.RequestHeader().Set(c.header, c.value)
	return c.next.NewClientStream(ctx, spec)
}
