// Package wiretest lets a test call a real server over every wire that a client of this project can use.
package wiretest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/limit"
)

// Wire is one way to speak RPC.
type Wire struct {
	Name    string
	options []connecthttp.Option
}

// Wires are all ways to speak RPC.
func Wires() []Wire {
	return []Wire{
		{"Connect", nil},
		{"Connect with JSON", []connecthttp.Option{connecthttp.WithSendCodec(connect.CodecNameJSON)}},
		{"Connect by HTTP GET", []connecthttp.Option{connecthttp.WithHTTPGet()}},
		{"gRPC", []connecthttp.Option{connecthttp.WithGRPC()}},
		{"gRPC-Web", []connecthttp.Option{connecthttp.WithGRPCWeb()}},
	}
}

// Serve serves handler over HTTP/1.1 and HTTP/2 without TLS until the test ends, and returns its URL.
func Serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// HTTPClient returns a client that speaks HTTP/2 without TLS.
func HTTPClient(t testing.TB) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Transport returns a transport that calls url over w. Every call carries header, as name and value in turn.
func (w Wire) Transport(t testing.TB, url string, header ...string) connect.Transport {
	options := append([]connecthttp.Option{
		connecthttp.WithReadMaxBytes(limit.ResponseBytes(limit.ValueBytes)),
	}, w.options...)
	return headers{connecthttp.NewTransport(HTTPClient(t), url, options...), header}
}

// Dial returns a client that calls the service at url over w. Every call carries header.
func (w Wire) Dial(t testing.TB, url string, header ...string) keyvaluev1connect.KeyValueServiceClient {
	return keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(w.Transport(t, url, header...)))
}

type headers struct {
	connect.Transport
	header []string
}

func (h headers) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	info, ok := connect.CallInfoForClientContext(ctx)
	if !ok {
		ctx, info = connect.NewClientContext(ctx)
	}
	for i := 0; i+1 < len(h.header); i += 2 {
		info.RequestHeader().Set(h.header[i], h.header[i+1])
	}
	return h.Transport.NewClientStream(ctx, spec)
}
