package httplane

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// withDeadlines bounds what a slow peer can hold up: the reading of a body as a whole, and each write of an
// answer by itself, so that a stream may go on for ever as long as its reader reads. [http.Server]'s own
// ReadTimeout and WriteTimeout would end such streams.
func (l *Lane) withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			// On net/http's own request the body must stay the one it knows. Otherwise it does not notice a body
			// that was not read to its end, and takes what is left of it for the next request.
			inner := *r
			inner.Body = &deadlineBody{ReadCloser: r.Body, control: control}
			r = &inner
			_ = control.SetReadDeadline(time.Now().Add(l.bounds.BodyTimeout))
		}
		dw := &deadlineWriter{ResponseWriter: w, control: control, timeout: l.bounds.WriteTimeout}
		defer dw.begin() // what net/http still has buffered when the handler returns
		next.ServeHTTP(dw, r)
	})
}

// deadlineBody lifts the read deadline once the body has been read. It must not stay: on HTTP/1.1 it would
// end the request, which may still be streaming its answer.
type deadlineBody struct {
	io.ReadCloser
	control *http.ResponseController
	done    bool
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.lift()
	}
	return n, err
}

func (b *deadlineBody) Close() error {
	b.lift()
	return b.ReadCloser.Close()
}

func (b *deadlineBody) lift() {
	if !b.done {
		b.done = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// deadlineWriter puts a deadline around each write and flush, and takes it off again: on HTTP/2 a deadline
// that passes resets the stream even while nothing is being written.
type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (w *deadlineWriter) begin() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }
func (w *deadlineWriter) end()   { _ = w.control.SetWriteDeadline(time.Time{}) }

func (w *deadlineWriter) Write(p []byte) (int, error) {
	w.begin()
	defer w.end()
	return w.ResponseWriter.Write(p)
}

// Flush implements [http.Flusher], which connecthttp asks for.
func (w *deadlineWriter) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (w *deadlineWriter) FlushError() error {
	w.begin()
	defer w.end()
	return w.control.Flush()
}

// Unwrap lets [http.ResponseController] reach the methods that are not here.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
