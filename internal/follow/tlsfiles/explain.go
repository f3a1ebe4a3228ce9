package tlsfiles

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

const (
	// explainTime bounds the whole of Explain.
	explainTime = 2 * time.Second
	// verdictTime is how long a server may take to reject a client's certificate, which it does after the handshake.
	verdictTime = 500 * time.Millisecond
)

// errTLS is the error of a client without TLS at a server with TLS.
var errTLS = errors.New("the server requires TLS: use https://")

// Explain connects to addr, as host:port, and returns why a client of config cannot use TLS there. A nil config means a
// client without TLS. A call can fail without the reason, because its connection is closed while the reason is still
// on the way; Explain sends nothing after the handshake and waits for the reason. It returns nil if it finds none.
func Explain(ctx context.Context, addr string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if config == nil {
		// Nothing is sent after the handshake, so it does not matter who the server is.
		if tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) == nil {
			return errTLS
		}
		return nil
	}
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	config.ServerName, _, _ = net.SplitHostPort(addr)
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	_ = secure.SetReadDeadline(time.Now().Add(verdictTime))
	if _, err := secure.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}
