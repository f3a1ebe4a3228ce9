package httplane

import (
	"net/http"
	"sync/atomic"
	"time"

	"key-value/internal/server/lane"
)

// writer writes a response.
//
// It writes in pieces. It sets a deadline for each piece and flush, and removes it afterwards: on HTTP/2 a deadline that
// passes resets the stream even if nothing is being written.
//
// On HTTP/1.1 it closes the connection after a response that begins while the server is about to stop. The client then
// opens a new one, which a load balancer sends elsewhere. Closing an idle connection instead could lose a request that is
// on its way. It decides when the response begins, since a request may have been waiting since long before. HTTP/2 has
// GOAWAY for this.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	calls   *atomic.Int64 // see sharers
	meter   lane.Meter
	running func() bool // nil: the response has begun, or is not HTTP/1.1
}

// newWriter returns a writer of the response w to r. It is not inlined, so that a watch has a shallow stack.
//
//go:noinline
func (l *Lane) newWriter(w http.ResponseWriter, r *http.Request, calls *atomic.Int64) *writer {
	paced := &writer{
		ResponseWriter: w, control: http.NewResponseController(w), calls: calls, meter: lane.Meter{Pace: l.bounds.WritePace()},
	}
	if r.ProtoMajor < 2 {
		paced.running = l.running
	}
	return paced
}

// end is called when the handler has returned. Net/http may still have something buffered.
func (w *writer) end() {
	w.beginResponse()
	w.beginWait()
}

// beginResponse is called before the header is written.
func (w *writer) beginResponse() {
	if w.running == nil {
		return
	}
	if !w.running() {
		w.Header().Set("Connection", "close")
	}
	w.running = nil
}

// beginWait begins to wait for the peer.
func (w *writer) beginWait() { w.setDeadline(w.meter.Begin(time.Now())) }

// endWait ends the wait.
func (w *writer) endWait() {
	w.meter.End(time.Now())
	w.meter.Unset()
	_ = w.control.SetWriteDeadline(time.Time{})
}

func (w *writer) setDeadline(t time.Time) {
	if w.meter.Due(t) {
		_ = w.control.SetWriteDeadline(t)
	}
}

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.beginResponse()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(p []byte) (written int, err error) {
	w.beginResponse()
	w.beginWait()
	defer w.endWait()
	for size := w.meter.Piece(); ; {
		n, err := w.ResponseWriter.Write(p[written:min(written+size, len(p))])
		written += n
		deadline := w.meter.Moved(n, sharers(w.calls), time.Now())
		if err != nil || written == len(p) {
			return written, err
		}
		w.setDeadline(deadline)
	}
}

// Flush implements [http.Flusher], which connecthttp requires.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is the method that [http.ResponseController] calls.
func (w *writer) FlushError() error {
	w.beginResponse()
	w.beginWait()
	defer w.endWait()
	return w.control.Flush()
}

// Unwrap lets [http.ResponseController] find the methods of the wrapped writer.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
