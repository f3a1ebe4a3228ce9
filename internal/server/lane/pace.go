package lane

import (
	"net"
	"time"
)

const (
	// pieceMax is how much is written at once to a peer that may be slow, in bytes.
	pieceMax = 64 << 10
	// pieceMin keeps the cost of a piece in proportion, whatever the least rate is.
	pieceMin = 4 << 10
	// slack is the part of the window, as a divisor, by which a deadline may be early or late, so that only one read
	// or write in many sets one.
	slack = 8
)

// Pace is the least progress that a peer must make while the server waits for it: Rate bytes a second, averaged over
// Window. A peer that stops altogether is given up after Window, and so is one whose last Window brought too little.
type Pace struct {
	Window time.Duration
	Rate   int // in bytes a second; at most zero: any progress within Window is enough
}

// Piece returns how much to write at once, in bytes, so that progress shows well within the window.
func (p Pace) Piece() int {
	least := p.Window.Seconds() * float64(p.Rate)
	if p.Rate <= 0 || least/2 < pieceMin {
		return pieceMin
	}
	return int(min(least/2, pieceMax))
}

// Earned returns for how much longer a peer that has moved n bytes may be waited for. The calls of a connection share
// its rate: each of sharers calls has to move only its share.
func (p Pace) Earned(n, sharers int) time.Duration {
	if n <= 0 {
		return 0
	}
	if p.Rate <= 0 {
		return p.Window
	}
	seconds := float64(n) * float64(max(sharers, 1)) / float64(p.Rate)
	if seconds >= p.Window.Seconds() {
		return p.Window
	}
	return time.Duration(seconds * float64(time.Second))
}

// Meter keeps the time for which the server may go on waiting for a peer. Waiting uses it up, moving bytes and times
// without a wait restore it, up to the window. The zero value is not usable: set Pace.
type Meter struct {
	Pace
	deadline time.Time     // while waiting
	left     time.Duration // while not waiting, at ended
	ended    time.Time     // when the last wait ended; zero: there was none
	set      time.Time     // the deadline that was last reported as to be set; zero: none
}

// Begin begins a wait, and returns its deadline.
func (m *Meter) Begin(now time.Time) time.Time {
	left := m.Window
	if !m.ended.IsZero() {
		left = min(m.Window, m.left+now.Sub(m.ended))
	}
	m.deadline = now.Add(left)
	return m.deadline
}

// Moved counts n bytes that the peer has sent or accepted, and returns the deadline from now on.
func (m *Meter) Moved(n, sharers int, now time.Time) time.Time {
	m.deadline = m.deadline.Add(m.Earned(n, sharers))
	if latest := now.Add(m.Window); m.deadline.After(latest) {
		m.deadline = latest
	}
	return m.deadline
}

// Deadline returns the deadline of the wait.
func (m *Meter) Deadline() time.Time { return m.deadline }

// End ends a wait.
func (m *Meter) End(now time.Time) { m.left, m.ended = m.deadline.Sub(now), now }

// Due reports whether deadline differs so much from the one that was last set that it is to be set, and counts it as
// set.
func (m *Meter) Due(deadline time.Time) bool {
	if (deadline.Sub(m.set)).Abs() < m.Window/slack {
		return false
	}
	m.set = deadline
	return true
}

// Unset notes that the deadline that was set no longer is.
func (m *Meter) Unset() { m.set = time.Time{} }

// Writer writes to a connection in pieces, each of which has to be accepted at the pace of a Meter. It must not be used
// concurrently.
type Writer struct {
	Conn  net.Conn
	Meter Meter
	// SetDeadline sets the write deadline. Nil: Conn's own method does.
	SetDeadline func(time.Time)
}

// NewWriter returns a Writer to conn.
func NewWriter(conn net.Conn, pace Pace) *Writer {
	return &Writer{Conn: conn, Meter: Meter{Pace: pace}}
}

// Close closes the connection. Unlike Write it may be called at any time.
func (w *Writer) Close() error { return w.Conn.Close() }

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (written int, err error) {
	w.setDeadline(w.Meter.Begin(time.Now()))
	for size := w.Meter.Piece(); ; {
		piece := p[written:min(written+size, len(p))]
		n, err := w.Conn.Write(piece)
		written += n
		now := time.Now()
		deadline := w.Meter.Moved(n, 1, now)
		if err != nil || written == len(p) {
			w.Meter.End(now)
			return written, err
		}
		w.setDeadline(deadline)
	}
}

func (w *Writer) setDeadline(t time.Time) {
	switch {
	case !w.Meter.Due(t):
	case w.SetDeadline != nil:
		w.SetDeadline(t)
	default:
		_ = w.Conn.SetWriteDeadline(t)
	}
}
