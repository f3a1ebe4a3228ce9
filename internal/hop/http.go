package hop

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

	"key-value/internal/contract"
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

// Options says how to reach a service.
type Options struct {
	Header        string // the header that carries Credential
	Credential    string
	HTTPClient    *http.Client
	TLS           *tls.Config
	MaxValueBytes int
	Unbatched     bool
	Once          bool // make no call twice
	PassOverload  bool // make none twice that was refused as OVERLOADED
	Breaker       bool
	Wrap          func(connect.Transport) connect.Transport
	Gather        batching.Gather // nil: batches carry nothing of their calls
}

// Dial returns a transport and the HTTP client under it.
func Dial(baseURL string, o Options) (connect.Transport, *http.Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, nil, fmt.Errorf("%q is no address of a service; one looks like http://127.0.0.1:8888", baseURL)
	}
	httpClient := newHTTPClient(u.Scheme, o.TLS)
	if o.HTTPClient != nil {
		httpClient = withoutRedirects(o.HTTPClient)
	}
	transport := connecthttp.NewTransport(httpClient, baseURL,
		connecthttp.WithReadMaxBytes(contract.MaxResponseBytes(o.MaxValueBytes)),
		connecthttp.WithCompressors(), // values are small or do not compress
	)
	if o.Credential != "" {
		transport = credentialed{transport, o.Header, o.Credential}
	}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	if !o.Unbatched {
		transport = batching.New(transport, batching.WithGather(o.Gather))
	}
	if !o.Once {
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
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return ErrRedirect }
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
