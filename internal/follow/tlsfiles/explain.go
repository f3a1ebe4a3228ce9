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
	// explainTime bounds how long it takes to find out what is wrong.
	explainTime = 2 * time.Second
	// verdictTime is how long a server has to refuse a client's certificate, which it does behind the handshake.
	verdictTime = 500 * time.Millisecond
)

// errTLS is what a client does not know that speaks no TLS.
var errTLS = errors.New("TLS is spoken there: say https")

// Explain connects to host:port and returns what is wrong with TLS for a client of config, or without TLS if that is
// nil. A call may fail without knowing: its connection is closed under it, while the reason is still on its way.
// Explain sends nothing more and waits for it. It returns nil if nothing is wrong that can be seen from here.
func Explain(ctx context.Context, addr string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if config == nil {
		// Nothing is said to whoever it is.
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
