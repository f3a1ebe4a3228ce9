package httplane

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"key-value/internal/server/lane"
)

// withDeadlines bounds what a slow peer can hold up: the reading of a body, and each write of a response, so that a
// stream may last as long as its reader reads. Their deadlines move with the bytes. The ReadTimeout and WriteTimeout of
// [http.Server] would end long streams, and large bodies of slow peers.
func (l *Lane) withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		var calls *atomic.Int64
		var plain *plainConn
		if p, ok := r.Context().Value(peerKey{}).(*peer); ok && r.ProtoMajor > 1 {
			calls = &p.calls
			calls.Add(1)
			defer calls.Add(-1)
		} else if ok {
			plain = p.plain
		}
		if r.Body == nil || r.Body == http.NoBody {
			plain.readAll()
		} else {
			// net/http compares its request's body with the one that it made. If they differ it does not notice a body
			// that was not read to its end, and takes the rest for the next request. So only the copy has another body.
			inner := *r
			body := &pacedBody{
				ReadCloser: r.Body, control: control, calls: calls, plain: plain, meter: lane.Meter{Pace: l.bounds.ReadPace()},
			}
			body.setDeadline(body.meter.Begin(time.Now()))
			inner.Body = body
			r = &inner
		}
		paced := &pacedWriter{ResponseWriter: w, control: control, calls: calls, meter: lane.Meter{Pace: l.bounds.WritePace()}}
		defer paced.begin() // for what net/http still has buffered when the handler returns
		next.ServeHTTP(paced, r)
	})
}

// sharers returns how many calls share a connection whose calls in progress are counted in calls. On HTTP/1.1, calls is
// nil and there is one.
func sharers(calls *atomic.Int64) int {
	if calls == nil {
		return 1
	}
	return int(calls.Load())
}

// pacedBody moves the read deadline as the body arrives, and removes it once the body has been read. On HTTP/1.1 it would
// otherwise end the request while the response is still being streamed.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	calls   *atomic.Int64 // see sharers
	plain   *plainConn    // nil: it is an HTTP/2 connection
	meter   lane.Meter
	done    bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.plain.readAll()
		b.removeDeadline()
	} else if n > 0 && err == nil && !b.done {
		b.setDeadline(b.meter.Moved(n, sharers(b.calls), time.Now()))
	}
	return n, err
}

func (b *pacedBody) Close() error {
	b.removeDeadline()
	return b.ReadCloser.Close()
}

func (b *pacedBody) setDeadline(t time.Time) {
	if b.meter.Due(t) {
		_ = b.control.SetReadDeadline(t)
	}
}

func (b *pacedBody) removeDeadline() {
	if !b.done {
		b.done = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// pacedWriter writes in pieces. It sets a deadline for each piece and flush, and removes it afterwards: on HTTP/2 a
// deadline that passes resets the stream even if nothing is being written.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	calls   *atomic.Int64 // see sharers
	meter   lane.Meter
}

// begin begins to wait for the peer.
func (w *pacedWriter) begin() { w.setDeadline(w.meter.Begin(time.Now())) }

// end ends the wait.
func (w *pacedWriter) end() {
	w.meter.End(time.Now())
	w.meter.Unset()
	_ = w.control.SetWriteDeadline(time.Time{})
}

func (w *pacedWriter) setDeadline(t time.Time) {
	if w.meter.Due(t) {
		_ = w.control.SetWriteDeadline(t)
	}
}

func (w *pacedWriter) Write(p []byte) (written int, err error) {
	w.begin()
	defer w.end()
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
func (w *pacedWriter) Flush() { _ = w.FlushError() }

// FlushError is the method that [http.ResponseController] calls.
func (w *pacedWriter) FlushError() error {
	w.begin()
	defer w.end()
	return w.control.Flush()
}

// Unwrap lets [http.ResponseController] find the methods of the wrapped writer.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
