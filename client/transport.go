package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/apikey"
	"key-value/internal/limit"
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
	maxValueBytes int
}

// WithAPIKey sends an API key with every call.
func WithAPIKey(key string) Option {
	return func(o *options) { o.header, o.credential = apikey.Header, key }
}

// WithBearer sends a token with every call, as Authorization: Bearer.
func WithBearer(token string) Option {
	return func(o *options) { o.header, o.credential = "Authorization", "Bearer "+token }
}

// WithHTTPClient replaces the HTTP client, as for a proxy or for certificates of one's own. It should have no
// Timeout, which would end watches.
func WithHTTPClient(c *http.Client) Option {
	return func(o *options) { o.httpClient = c }
}

// WithMaxValueBytes says how long the service's longest value is, in bytes, if that is not 1 MiB.
func WithMaxValueBytes(n int) Option {
	return func(o *options) { o.maxValueBytes = n }
}

// NewTransport returns a transport to the gateway or the kvservice at baseURL, for a [connect.Client] under
// generated stubs. With http:// it speaks HTTP/2 without TLS. Most programs want [New].
func NewTransport(baseURL string, opts ...Option) (connect.Transport, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is no address of a service; one looks like http://127.0.0.1:8888", baseURL)
	}
	o := options{maxValueBytes: limit.ValueBytes}
	for _, opt := range opts {
		opt(&o)
	}
	if o.httpClient == nil {
		o.httpClient = newHTTPClient(u.Scheme)
	}
	transport := connecthttp.NewTransport(o.httpClient, baseURL,
		connecthttp.WithReadMaxBytes(limit.ResponseBytes(o.maxValueBytes)),
		connecthttp.WithCompressors(), // values are small or do not compress
	)
	if o.credential == "" {
		return transport, nil
	}
	return credentialed{transport, o.header, o.credential}, nil
}

func newHTTPClient(scheme string) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(scheme == "http")
	protocols.SetHTTP2(scheme == "https")
	protocols.SetHTTP1(scheme == "https")
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
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
		// A redirect would carry the credential to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the service answered with a redirect, which is not followed")
		},
	}
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
