package hostile

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/http2"
)

// WrongKeys are peers that keep a hundred HTTP/2 streams each open with a wrong key, over TLS if secure is set.
func WrongKeys(name string, secure bool) Kind {
	return Kind{name, 100, func(ctx context.Context, tcp net.Conn) error {
		return streams(ctx, tcp, secure, "/v1/values/a", "wrong")
	}}
}

// Health are peers that keep a hundred HTTP/2 streams each open with requests that need no key.
func Health() Kind {
	return Kind{"h2c streams, /health", 100, func(ctx context.Context, tcp net.Conn) error {
		return streams(ctx, tcp, false, "/health", "")
	}}
}

// perConnection is how many requests a peer sends before it connects again. It bounds what one peer can do.
const perConnection = 10_000

// streams makes requests in a hundred streams of one connection.
func streams(ctx context.Context, tcp net.Conn, secure bool, path, key string) error {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	client := overHTTP2(tcp)
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for range perConnection / 100 {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+tcp.RemoteAddr().String()+path, nil)
				if err != nil {
					return
				}
				r.Header.Set("X-Api-Key", key)
				res, err := client.Do(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	all.Wait()
	return nil
}

// overHTTP2 returns a client that speaks HTTP/2 on one connection, with TLS for https.
func overHTTP2(tcp net.Conn) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{
		Protocols: protocols, MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is self-signed
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return tcp, nil },
	}}
}

// RapidResetGRPC are peers that open gRPC calls with a wrong key and reset them at once.
func RapidResetGRPC() Kind {
	return Kind{"rapid reset over gRPC, wrong key", 4, func(_ context.Context, tcp net.Conn) error {
		block := encode([][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", "/keyvalue.v1.KeyValueService/Get"}, {":authority", "a"},
			{"content-type", "application/grpc"}, {"te", "trailers"}, {"x-api-key", "wrong"},
		})
		return Flood(tcp, func(f *http2.Framer, n uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block, EndHeaders: true}); err != nil {
				return err
			}
			return f.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
		})
	}}
}

// OpenBodies are peers that get their answer, but never end the body of their request.
func OpenBodies() Kind {
	return Kind{"answered, body left open", 500, func(ctx context.Context, tcp net.Conn) error {
		if _, err := tcp.Write([]byte("PUT /v1/values/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")); err != nil {
			return err
		}
		return wait(ctx, tcp)
	}}
}

// OpenStreams are such peers over gRPC, which open ever more streams.
func OpenStreams() Kind {
	return Kind{"answered, streams left open", 4, func(_ context.Context, tcp net.Conn) error {
		block := encode([][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", "/keyvalue.v1.KeyValueService/Get"}, {":authority", "a"},
			{"content-type", "application/grpc"}, {"te", "trailers"},
		})
		return Flood(tcp, func(f *http2.Framer, n uint32) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block, EndHeaders: true})
		})
	}}
}

// SilentHandshakes are peers that begin a TLS handshake and stop.
func SilentHandshakes() Kind {
	return Kind{"half a TLS handshake", 2000, func(ctx context.Context, tcp net.Conn) error {
		if _, err := tcp.Write([]byte{22, 3, 1, 2, 0, 1, 0}); err != nil {
			return err
		}
		return wait(ctx, tcp)
	}}
}

// FullTable are silent peers, more than the server accepts connections.
func FullTable() Kind {
	return Kind{"full connection table", 60, func(ctx context.Context, tcp net.Conn) error { return wait(ctx, tcp) }}
}
