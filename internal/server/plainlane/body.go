package plainlane

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"key-value/internal/server/lane"
)

// body is the body of a request. It must arrive at the pace of all lanes.
type body struct {
	conn *conn

	mu     sync.Mutex
	left   int        // bytes that are still to be read; guarded by mu
	meter  lane.Meter // guarded by mu
	closed bool       // guarded by mu
	err    error      // why no more can be read; guarded by mu
}

func newBody(c *conn, length int) *body {
	b := &body{conn: c, left: length, meter: lane.Meter{Pace: c.lane.cfg.Bounds.ReadPace()}}
	return b
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.readLocked(p)
}

func (b *body) readLocked(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.conn.readBody(p[:min(len(p), b.left)], &b.meter)
	b.left -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// isRead reports whether everything was read. After this the handler cannot read any more.
func (b *body) isRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.left == 0
}

// discard reads what the handler did not. It returns false if it does not arrive.
func (b *body) discard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := make([]byte, min(b.left, 4<<10))
	for b.left > 0 {
		if _, err := b.readLocked(p); err != nil {
			return false
		}
	}
	return true
}

// readBody reads a part of a body into p: what has arrived with the head, or else more.
func (c *conn) readBody(p []byte, meter *lane.Meter) (int, error) {
	if n := copy(p, c.buf[c.start:c.end]); n > 0 {
		c.start += n
		return n, nil
	}
	c.setReadDeadline(meter.Begin(time.Now()))
	n, err := c.sniffed.Read(p)
	now := time.Now()
	meter.Moved(n, 1, now)
	meter.End(now)
	return n, err
}
