package h2

import (
	"io"
	"sync"
)

// Tracker follows a stream of frames and knows where one ends and the next begins.
type Tracker struct {
	// OnFrame is called for each frame when it begins. Nil: nobody needs to know.
	OnFrame func(Frame)
	// OnHeaders is called once, at the first HEADERS frame, and then set to nil.
	OnHeaders func()

	rest   int    // bytes of the current frame's payload that are still to come
	header []byte // the incomplete header of the next frame
}

// atBoundary reports whether the stream is between two frames.
func (t *Tracker) atBoundary() bool { return t.rest == 0 && len(t.header) == 0 }

// Advance moves past p.
func (t *Tracker) Advance(p []byte) {
	for len(p) != 0 {
		p = p[t.step(p):]
	}
}

// nextBoundary returns the length of p up to the first end of a frame in it, or len(p).
func (t *Tracker) nextBoundary(p []byte) int {
	probe := Tracker{rest: t.rest, header: append([]byte(nil), t.header...)}
	n := 0
	for n < len(p) {
		n += probe.step(p[n:])
		if probe.atBoundary() {
			break
		}
	}
	return n
}

// step moves past a part of p, which is at most one frame, and returns its length.
func (t *Tracker) step(p []byte) int {
	if t.rest > 0 {
		n := min(t.rest, len(p))
		t.rest -= n
		return n
	}
	if len(t.header) == 0 && len(p) >= FrameHeaderBytes {
		t.begin(ParseFrame(p))
		return FrameHeaderBytes
	}
	n := min(FrameHeaderBytes-len(t.header), len(p))
	t.header = append(t.header, p[:n]...)
	if len(t.header) == FrameHeaderBytes {
		t.begin(ParseFrame(t.header))
		t.header = t.header[:0]
	}
	return n
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

// Writer passes on the frames that a server writes to a connection, and can insert frames between them.
type Writer struct {
	mu       sync.Mutex
	out      io.WriteCloser // guarded by mu
	tracker  Tracker        // guarded by mu
	inserted []byte         // frames that wait for the current one to end; guarded by mu
}

// NewWriter returns a Writer that calls onHeaders before the first HEADERS frame, and onFrame before every frame. Out
// writes to a connection.
func NewWriter(out io.WriteCloser, onHeaders func(), onFrame func(Frame)) *Writer {
	return &Writer{out: out, tracker: Tracker{OnHeaders: onHeaders, OnFrame: onFrame}}
}

// Write implements [io.Writer]. After an error it closes the connection: grpc-go expects its reader to fail too, and
// a peer that stops reading would leave the reader waiting.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.inserted) == 0 {
		w.tracker.Advance(p)
		n, err = w.out.Write(p)
	} else {
		n, err = w.writeAroundLocked(p)
	}
	if err != nil {
		_ = w.out.Close()
	}
	return n, err
}

// writeAroundLocked writes p, with the inserted frames after the first frame that ends in it.
func (w *Writer) writeAroundLocked(p []byte) (int, error) {
	cut := w.tracker.nextBoundary(p)
	w.tracker.Advance(p[:cut])
	n, err := w.out.Write(p[:cut])
	if err != nil || !w.tracker.atBoundary() {
		return n, err
	}
	inserted := w.inserted
	w.inserted = nil
	if _, err := w.out.Write(inserted); err != nil {
		return n, err
	}
	w.tracker.Advance(p[cut:])
	rest, err := w.out.Write(p[cut:])
	return n + rest, err
}

// Insert writes frames now, or after the frame that is being written. It reports no error: the next write or read of a
// broken connection does.
func (w *Writer) Insert(frames []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tracker.atBoundary() {
		w.inserted = append(w.inserted, frames...)
		return
	}
	_, _ = w.out.Write(frames)
}
