// Package wiretest serves a test's handlers on real sockets, and calls them over every wire that clients of this
// project use.
package wiretest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/follow/tlsfiles"
	"key-value/internal/server"
	"key-value/internal/testkit/tlstest"
)

// Wire is a protocol with a codec and a client.
type Wire struct {
	Name      string
	transport func(t testing.TB, url string) connect.Transport
}

// Wires are all wires for RPCs.
func Wires() []Wire {
	return []Wire{
		{"Connect", overHTTP()},
		{"Connect with JSON", overHTTP(connecthttp.WithSendCodec(connect.CodecNameJSON))},
		{"Connect by HTTP GET", overHTTP(connecthttp.WithHTTPGet())},
		{"gRPC", overHTTP(connecthttp.WithGRPC())},
		{"gRPC with JSON", overHTTP(connecthttp.WithGRPC(), connecthttp.WithSendCodec(connect.CodecNameJSON))},
		{"gRPC on a mixed connection", onMixedConnection(connecthttp.WithGRPC())},
		{"gRPC with grpc-go", dialGRPC},
		{"gRPC-Web", overHTTP(connecthttp.WithGRPCWeb())},
		{"gRPC-Web as text", overText()},
	}
}

// Serve serves handler as the commands do until the test ends, and returns its URL.
func Serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	return "http://" + serveOn(t, server.Config{Handler: handler})
}

// ServeRPC is Serve for a handler that also serves procedures: connections that begin with gRPC reach the procedures
// through grpc-go, as they do in the commands.
func ServeRPC(t testing.TB, handler http.Handler, procedures *connect.Server) string {
	t.Helper()
	return "http://" + serveOn(t, server.Config{Handler: handler, RPC: procedures})
}

// ServeTLS is ServeRPC over TLS, with a certificate that the clients of this package trust. Procedures may be nil.
func ServeTLS(t testing.TB, handler http.Handler, procedures *connect.Server) string {
	t.Helper()
	return "https://" + serveOn(t, server.Config{Handler: handler, RPC: procedures, TLS: ServerTLS(t)})
}

func serveOn(t testing.TB, cfg server.Config) (addr string) {
	t.Helper()
	cfg.Listen, cfg.State, cfg.Log, cfg.Plain = "127.0.0.1:0", server.NewState(), slog.New(slog.DiscardHandler), true
	started, done := make(chan string, 1), make(chan error, 1)
	cfg.Started = func(addr string) { started <- addr }
	ctx, stop := context.WithCancel(context.Background())
	go func() { done <- server.Run(ctx, cfg) }()
	select {
	case addr := <-started:
		t.Cleanup(func() { stop(); <-done })
		return addr
	case err := <-done:
		stop()
		t.Fatalf("serve: %v", err)
		return ""
	}
}

// HTTPClient returns a client that speaks HTTP/2, over TLS if the URL says so.
func HTTPClient(t testing.TB) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(true)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: ClientTLS(t)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Transport returns a transport that calls url over w. Every call sends header, which is names and values in
// alternation.
func (w Wire) Transport(t testing.TB, url string, header ...string) connect.Transport {
	t.Helper()
	return WithHeader(w.transport(t, url), header...)
}

// WithHeader returns a transport that sends header, names and values in alternation, with every call.
func WithHeader(transport connect.Transport, header ...string) connect.Transport {
	return headers{transport, header}
}

// Dial returns a client of the service at url over w. Every call sends header.
func (w Wire) Dial(t testing.TB, url string, header ...string) keyvaluev1connect.KeyValueServiceClient {
	t.Helper()
	return keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(w.Transport(t, url, header...)))
}

func overHTTP(options ...connecthttp.Option) func(testing.TB, string) connect.Transport {
	return func(t testing.TB, url string) connect.Transport {
		return newTransport(HTTPClient(t), url, options)
	}
}

// onMixedConnection calls on a connection that another kind of request has opened, so that net/http serves it.
func onMixedConnection(options ...connecthttp.Option) func(testing.TB, string) connect.Transport {
	return func(t testing.TB, url string) connect.Transport {
		client := HTTPClient(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Via", "2 test") // otherwise the server would remember the address as mixing, and not give it grpc-go again
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return newTransport(client, url, options)
	}
}

func newTransport(client *http.Client, url string, options []connecthttp.Option) connect.Transport {
	limited := connecthttp.WithReadMaxBytes(contract.MaxResponseBytes(contract.DefaultValueBytes))
	return connecthttp.NewTransport(client, url, append([]connecthttp.Option{limited}, options...)...)
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

var once struct {
	sync.Mutex
	authority *tlstest.Authority // made on first use; guarded by Mutex
}

// authority signs the certificates of all servers of this package, and all its clients trust it.
func authority(t testing.TB) *tlstest.Authority {
	once.Lock()
	defer once.Unlock()
	if once.authority == nil {
		once.authority = tlstest.NewAuthority(t)
	}
	return once.authority
}

// ServerTLS returns a server configuration whose certificate the clients of this package trust.
func ServerTLS(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := tlsfiles.OpenPair(ServerFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	return tlsfiles.Server(pair, nil)
}

// ServerFiles returns the paths of a certificate that the clients of this package trust, and of its key.
func ServerFiles(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	return authority(t).Files(t, tlstest.Leaf{})
}

// ClientTLS returns a client configuration that trusts the servers of this package.
func ClientTLS(t testing.TB) *tls.Config {
	return &tls.Config{RootCAs: authority(t).Pool(), MinVersion: tls.VersionTLS12}
}

// AuthorityFile returns a file with the certificate of the authority that the clients of this package trust.
func AuthorityFile(t testing.TB) string {
	t.Helper()
	return authority(t).File(t)
}
