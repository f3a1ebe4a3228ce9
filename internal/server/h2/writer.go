package h2

import (
	"net"
	"sync"
	"time"
)

// writer writes whole buffers of frames, and lets a frame of our own in between two others.
type Writer struct {
	conn    net.Conn
	timeout time.Duration

	mu       sync.Mutex
	deadline time.Time // of the connection; guarded by mu
	boundary Boundary  // guarded by mu
	own      []byte    // what waits for the end of a frame; guarded by mu
}

// NewWriter returns a writer to conn that calls answered before the first HEADERS frame.
func NewWriter(conn net.Conn, timeout time.Duration, answered func()) *Writer {
	return &Writer{conn: conn, timeout: timeout, boundary: Boundary{Answered: answered}}
}

// deadlineSlack is the part of its timeout that a write may have less, so that not each sets a deadline.
const deadlineSlack = 8

// Write implements [io.Writer]. An error closes the connection: grpc-go relies on its reader to see it too,
// which one that does not read our bytes would not make it see.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.extendDeadline()
	if len(w.own) == 0 {
		w.boundary.Step(p)
		n, err = w.conn.Write(p)
	} else {
		n, err = w.writeAround(p)
	}
	if err != nil {
		_ = w.conn.Close()
	}
	return n, err
}

// writeAround writes p, and our own frame at the first end of a frame in it.
func (w *Writer) writeAround(p []byte) (int, error) {
	cut := w.boundary.next(p)
	w.boundary.Step(p[:cut])
	n, err := w.conn.Write(p[:cut])
	if err != nil || !w.boundary.here() {
		return n, err
	}
	own := w.own
	w.own = nil
	if _, err := w.conn.Write(own); err != nil {
		return n, err
	}
	w.boundary.Step(p[cut:])
	rest, err := w.conn.Write(p[cut:])
	return n + rest, err
}

// interject writes frames of our own, now or behind the frame that is being written.
func (w *Writer) Interject(frames []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.boundary.here() {
		w.own = append(w.own, frames...)
		return
	}
	w.extendDeadline()
	_, _ = w.conn.Write(frames) // a broken connection will say so to its server
}

func (w *Writer) extendDeadline() {
	now := time.Now()
	if w.deadline.Sub(now) < w.timeout-w.timeout/deadlineSlack {
		w.deadline = now.Add(w.timeout)
		_ = w.conn.SetWriteDeadline(w.deadline)
	}
}
