package h2

import (
	"encoding/binary"
	"io"
	"sync"
)

// Tracker follows the frames that a server writes, which may come in any pieces, and edits them.
type Tracker struct {
	// OnFrame is called for each frame when it begins. Nil: nobody needs to know.
	OnFrame func(Frame)
	// OnHeaders is called once, at the first HEADERS frame, and then set to nil.
	OnHeaders func()
	// OnReset is called for each RST_STREAM frame, with its error code. If it returns true, what it returns is written
	// instead of the frame. Nil: no frame is replaced.
	OnReset func(stream, code uint32) (instead []byte, replace bool)

	rest     int    // bytes of the current frame's payload that are still to come
	held     []byte // an incomplete frame header or RST_STREAM frame, which is written when the rest of it comes
	inserted []byte // frames that wait for the current one to end
}

// Advance moves past p, and returns what is to be written: p, or a copy with the replaced and inserted frames.
func (t *Tracker) Advance(p []byte) []byte {
	if len(t.held) != 0 {
		p = append(t.held, p...)
		t.held = nil
	}
	var edited []byte
	copied := 0 // bytes of p that are in edited, or were replaced
	for i := 0; ; {
		n := min(t.rest, len(p)-i)
		t.rest -= n
		i += n
		if t.rest == 0 && len(t.inserted) != 0 {
			edited = append(append(edited, p[copied:i]...), t.inserted...)
			copied, t.inserted = i, nil
		}
		if !complete(p[i:]) {
			t.held = append(t.held, p[i:]...)
			p = p[:i]
			break
		}
		f := ParseFrame(p[i:])
		if instead, replace := t.replace(f, p[i:]); replace {
			edited = append(append(edited, p[copied:i]...), instead...)
			i += f.Size()
			copied = i
			continue
		}
		t.begin(f)
		i += FrameHeaderBytes
	}
	if copied == 0 && edited == nil {
		return p
	}
	return append(edited, p[copied:]...)
}

// complete reports whether b begins with a whole frame header, and with a whole frame if it is RST_STREAM.
func complete(b []byte) bool {
	if len(b) < FrameHeaderBytes {
		return false
	}
	f := ParseFrame(b)
	return f.Kind != TypeRSTStream || len(b) >= f.Size()
}

// replace returns what OnReset does about the frame f at the start of b.
func (t *Tracker) replace(f Frame, b []byte) (instead []byte, replace bool) {
	if f.Kind != TypeRSTStream || f.Length != 4 || t.OnReset == nil {
		return nil, false
	}
	return t.OnReset(f.Stream, binary.BigEndian.Uint32(b[FrameHeaderBytes:]))
}

func (t *Tracker) begin(f Frame) {
	t.rest = f.Length
	if t.OnFrame != nil {
		t.OnFrame(f)
	}
	if f.Kind == TypeHeaders && t.OnHeaders != nil {
		t.OnHeaders()
		t.OnHeaders = nil
	}
}

// Insert returns frames if they can be written now. If not, Advance inserts them after the current frame.
func (t *Tracker) Insert(frames []byte) []byte {
	if t.rest > 0 {
		t.inserted = append(t.inserted, frames...)
		return nil
	}
	return frames
}

// Writer passes on the frames that a server writes to a connection, as a Tracker edits them.
type Writer struct {
	mu      sync.Mutex
	out     io.WriteCloser // guarded by mu
	tracker Tracker        // guarded by mu
}

// NewWriter returns a Writer with a tracker that has not been used. Out writes to a connection.
func NewWriter(out io.WriteCloser, tracker Tracker) *Writer {
	return &Writer{out: out, tracker: tracker}
}

// Write implements [io.Writer]. After an error it closes the connection: grpc-go expects its reader to fail too, and
// a peer that stops reading would leave the reader waiting.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if edited := w.tracker.Advance(p); len(edited) != 0 {
		_, err = w.out.Write(edited)
	}
	if err != nil {
		_ = w.out.Close()
		return 0, err
	}
	return len(p), nil
}

// Insert writes frames now, or after the frame that is being written. It reports no error: the next write or read of a
// broken connection does.
func (w *Writer) Insert(frames []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.tracker.Insert(frames); len(now) != 0 {
		_, _ = w.out.Write(now)
	}
}
