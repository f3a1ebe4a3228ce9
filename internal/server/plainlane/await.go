package plainlane

import (
	"errors"
	"io"
	"time"
)

// slack is the part of the idle timeout, as a divisor, by which it may be early, so that few requests set a deadline.
const slack = 8

// await waits for the head of a request. It returns plain or other, and incomplete if there is none.
func (c *conn) await() verdict {
	c.skipNewline()
	for {
		size, v := c.lane.read(&c.head, c.buf[c.start:c.end])
		switch {
		case v == plain:
			c.start += size
			return plain
		case v == other, c.end-c.start >= c.maxHead():
			return other
		}
		if c.out.flush() != nil {
			return incomplete
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) && c.end > c.start {
				return other // it has an answer for a head that ends
			}
			return incomplete
		}
		c.skipNewline()
	}
}

func (c *conn) maxHead() int { return min(maxHead, c.lane.cfg.Bounds.HeaderBytes) }

// skipNewline skips an empty line after a POST, which some clients send (RFC 9112, section 2.2).
func (c *conn) skipNewline() {
	if c.wasPost && c.end-c.start >= 2 && c.buf[c.start] == '\r' && c.buf[c.start+1] == '\n' {
		c.start += 2
		c.wasPost = false
	}
}

// fill reads more of a head.
func (c *conn) fill() error {
	c.end = copy(c.buf, c.buf[c.start:c.end])
	c.start = 0
	if c.end == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	c.expect(c.end > 0)
	n, err := c.sniffed.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	return err
}

// expect sets the deadline of the next request, of which a part has arrived or nothing.
func (c *conn) expect(begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bounds, now := &c.lane.cfg.Bounds, time.Now()
	switch {
	case !begun:
		c.phase = idle
		if latest := now.Add(bounds.IdleTimeout); latest.Sub(c.deadline).Abs() > bounds.IdleTimeout/slack {
			c.setReadDeadlineLocked(latest)
		}
		if !c.settleBy.IsZero() {
			c.setReadDeadlineLocked(past)
		}
		return
	case c.phase != reading:
		c.phase, c.since = reading, now
	}
	by := c.since.Add(bounds.HeaderTimeout)
	if !c.settleBy.IsZero() && c.settleBy.Before(by) {
		by = c.settleBy
	}
	c.setReadDeadlineLocked(by)
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (c *conn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setReadDeadlineLocked(t)
}

func (c *conn) setReadDeadlineLocked(t time.Time) {
	c.deadline = t
	_ = c.sniffed.SetReadDeadline(t)
}

// settle is called when the server stops. A connection that waits for a request is closed; one that has a part of it has
// until by.
func (c *conn) settle(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleBy = by
	switch c.phase {
	case idle:
		c.setReadDeadlineLocked(past)
	case reading:
		c.setReadDeadlineLocked(by)
	case closing:
		c.setReadDeadlineLocked(time.Now().Add(c.lane.cfg.Bounds.FlushTimeout))
	}
}

// settled reports whether the connection will not be handed over, after settle.
func (c *conn) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == serving || c.phase == closing
}
