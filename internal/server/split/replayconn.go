package split

import "net"

// replayConn is an HTTP/1.1 connection, of which some bytes were read already.
type replayConn struct {
	net.Conn
	replay   []byte
	answered func()
}

func (c *replayConn) Read(p []byte) (int, error) {
	if len(c.replay) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replay)
	if c.replay = c.replay[n:]; len(c.replay) == 0 {
		c.replay = nil
	}
	return n, nil
}

func (c *replayConn) Write(p []byte) (int, error) {
	c.answered()
	return c.Conn.Write(p)
}

func (c *replayConn) Close() error {
	c.answered()
	return c.Conn.Close()
}

// CloseWrite lets net/http close a connection so that the client still reads the last answer.
func (c *replayConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
