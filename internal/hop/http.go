package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/auth"
	"key-value/internal/contract"
)

const (
	// dialTimeout bounds how long it takes to open a connection, and again how long the TLS handshake takes.
	dialTimeout = 3 * time.Second
	// idleTimeout is how long a connection without requests is kept open.
	idleTimeout = 90 * time.Second
	// pingAfter is how long a connection may be silent before an HTTP/2 ping is sent, and pingTimeout how long its answer
	// may take. A peer that vanished is noticed after the sum of both.
	pingAfter   = 5 * time.Second
	pingTimeout = 3 * time.Second
	// callWindow is how much of the response to one call may arrive before it is read, in bytes, and streamWindow that of
	// one watch, of which many may be open whose readers have stopped.
	callWindow   = 256 << 10
	streamWindow = 64 << 10
	// writeTimeout closes a connection that accepts no more bytes.
	writeTimeout = 10 * time.Second
)

// ErrRedirect is the cause of a failed call that was answered with a redirect.
var ErrRedirect = errors.New("the service answered with a redirect, which is not followed")

// HTTPConfig says how to reach a service over HTTP.
type HTTPConfig struct {
	// TLS configures connections to a service at https://. Nil: the system's authorities are trusted. It has no effect
	// beside Client.
	TLS *tls.Config
	// Client replaces the HTTP client. Nil: one that speaks HTTP/2, or HTTP/1.1 to a peer that speaks nothing else.
	Client *http.Client
	// MaxValueBytes is the longest value of the service, in bytes. Zero: 1 MiB.
	MaxValueBytes int
}

// HTTPTransport is a transport to a service in another process. Make it with [HTTP].
type HTTPTransport struct {
	calls, streams connect.Transport
	own            []*http.Client // none if HTTPConfig.Client is used
}

// NewClientStream implements [connect.Transport].
func (t *HTTPTransport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if spec.StreamType == connect.StreamTypeUnary {
		return t.calls.NewClientStream(ctx, spec)
	}
	return t.streams.NewClientStream(ctx, spec)
}

// HTTP returns a transport to the gateway or kvservice at target, such as http://127.0.0.1:8888. It does not connect yet.
func HTTP(target string, cfg HTTPConfig) (*HTTPTransport, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("invalid service URL %q: want http://host:port", target)
	}
	if cfg.MaxValueBytes == 0 {
		cfg.MaxValueBytes = contract.DefaultValueBytes
	}
	over := func(client *http.Client) connect.Transport {
		return connecthttp.NewTransport(guarded(client), target,
			connecthttp.WithReadMaxBytes(contract.MaxResponseBytes(cfg.MaxValueBytes)),
			connecthttp.WithCompressors(), // values are small or do not compress
		)
	}
	if cfg.Client != nil {
		all := over(cfg.Client)
		return &HTTPTransport{calls: all, streams: all}, nil
	}
	calls, streams := newHTTPClient(u.Scheme, cfg.TLS, callWindow), newHTTPClient(u.Scheme, cfg.TLS, streamWindow)
	return &HTTPTransport{calls: over(calls), streams: over(streams), own: []*http.Client{calls, streams}}, nil
}

// CloseIdleConnections closes connections without requests. Those of HTTPConfig.Client are left open.
func (t *HTTPTransport) CloseIdleConnections() {
	for _, client := range t.own {
		client.CloseIdleConnections()
	}
}

// newHTTPClient returns a client of which window bytes of each response may arrive before they are read.
func newHTTPClient(scheme string, config *tls.Config, window int) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(scheme == "http")
	protocols.SetHTTP2(scheme == "https")
	protocols.SetHTTP1(scheme == "https")
	transport := &http.Transport{
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

			MaxReceiveBufferPerStream: window,
		},
	}
	if scheme == "http" {
		return &http.Client{Transport: newPlainTransport(transport)}
	}
	return &http.Client{Transport: transport}
}

// guarded returns a copy of c that charges responses, and that follows no redirects, because they would carry the
// credential to another server. A client with a CheckRedirect of its own keeps that.
func guarded(c *http.Client) *http.Client {
	g := *c
	g.Transport = charging{c.Transport}
	if c.CheckRedirect != nil {
		return &g
	}
	g.CheckRedirect = func(*http.Request, []*http.Request) error { return ErrRedirect }
	return &g
}

// Credential is a header that authenticates the sender of a request. The zero value is none.
type Credential struct{ header, value string }

// APIKey is an API key in the header that is made for it. An empty key is no credential.
func APIKey(key string) Credential {
	if key == "" {
		return Credential{}
	}
	return Credential{auth.Header, key}
}

// Bearer is a token as Authorization: Bearer. An empty token is no credential.
func Bearer(token string) Credential {
	if token == "" {
		return Credential{}
	}
	return Credential{"Authorization", "Bearer " + token}
}

// credential returns a layer that sends c with every request, or nil if c is none.
func credential(c Credential) Layer {
	if c == (Credential{}) {
		return nil
	}
	return func(next connect.Transport) connect.Transport {
		return clientFunc(func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
			info, ok := connect.CallInfoForClientContext(ctx)
			if !ok {
				ctx, info = connect.NewClientContext(ctx)
			}
			info.RequestHeader().Set(c.header, c.value)
			return next.NewClientStream(ctx, spec)
		})
	}
}

// clientFunc is a function as a transport.
type clientFunc connect.ClientFunc

// NewClientStream implements [connect.Transport].
func (f clientFunc) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	return f(ctx, spec)
}
