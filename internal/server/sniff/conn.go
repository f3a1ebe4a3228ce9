package sniff

import (
	"crypto/tls"
	"net"

	"key-value/internal/server/h2"
)

// Conn is a connection of which some bytes were read already.
type Conn struct {
	net.Conn
	HTTP2    *HTTP2 // nil: it is not HTTP/2
	replay   []byte // what was read of HTTP/1.1 and is to be read again
	answered func()
}

// HTTP2 is what was found out about an HTTP/2 connection.
type HTTP2 struct {
	Read       []byte             // what was read and the server must read again
	Looked     int                // how much of it is whole frames that were looked at
	AckPending bool               // whether an acknowledgement of our SETTINGS is still to come
	Request    *h2.RequestDecoder // has read the first request of a gRPC connection
	Stream     uint32             // of that request
}

// Answered tells that the first answer has begun.
func (c *Conn) Answered() {
	if c.answered != nil {
		c.answered()
	}
}

// TLS returns what TLS was agreed on, or nil if there is none. The lane cannot know it, because it is not given the
// [tls.Conn].
func (c *Conn) TLS() *tls.ConnectionState {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := secure.ConnectionState()
	return &state
}

func (c *Conn) Read(p []byte) (int, error) {
	if len(c.replay) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replay)
	if c.replay = c.replay[n:]; len(c.replay) == 0 {
		c.replay = nil
	}
	return n, nil
}

func (c *Conn) Write(p []byte) (int, error) {
	c.Answered()
	return c.Conn.Write(p)
}

func (c *Conn) Close() error {
	c.Answered()
	return c.Conn.Close()
}

// CloseWrite lets net/http close a connection so that the client still reads the last answer.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
