package httplane

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"key-value/internal/contract/problem"
)

// closeAfterChunks closes an HTTP/1.1 connection after a chunked request. Such a request may have had a Content-Length
// too, which net/http drops silently; a proxy in front may have used that one, and would see a second request where
// this server saw the rest of the first (RFC 9112, section 6.1).
func closeAfterChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// oneLength rejects HTTP/2 requests with several values of Content-Length, of which net/http takes the first. It rejects
// those of HTTP/1.1 itself.
func oneLength(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && len(r.Header["Content-Length"]) > 1 {
			problem.Problem{Status: http.StatusBadRequest, Detail: "The request has more than one Content-Length."}.Write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limitHeaders rejects HTTP/1.1 headers over HeaderBytes. net/http accepts up to 4 KiB more.
func (l *Lane) limitHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && headerSize(r) > l.bounds.HeaderBytes {
			w.Header().Set("Connection", "close")
			detail := fmt.Sprintf("The headers exceed %d KiB.", l.bounds.HeaderBytes>>10)
			problem.Problem{Status: http.StatusRequestHeaderFieldsTooLarge, Detail: detail}.Write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headerSize returns the size of r's request line and headers, give or take a few bytes.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// withDeadlines bounds what a slow peer can hold up: the reading of a body as a whole, and each write of a response by
// itself, so that a stream may last as long as its reader reads. The ReadTimeout and WriteTimeout of [http.Server] would
// end such streams.
func (l *Lane) withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			// net/http compares its request's body with the one that it made. If they differ it does not notice a body
			// that was not read to its end, and takes the rest for the next request. So only the copy has another body.
			inner := *r
			inner.Body = &deadlineBody{ReadCloser: r.Body, control: control}
			r = &inner
			_ = control.SetReadDeadline(time.Now().Add(l.bounds.BodyTimeout))
		}
		dw := &deadlineWriter{ResponseWriter: w, control: control, timeout: l.bounds.WriteTimeout}
		defer dw.begin() // for what net/http still has buffered when the handler returns
		next.ServeHTTP(dw, r)
	})
}

// deadlineBody removes the read deadline once the body has been read. On HTTP/1.1 it would otherwise end the request
// while the response is still being streamed.
type deadlineBody struct {
	io.ReadCloser
	control *http.ResponseController
	done    bool
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.removeDeadline()
	}
	return n, err
}

func (b *deadlineBody) Close() error {
	b.removeDeadline()
	return b.ReadCloser.Close()
}

func (b *deadlineBody) removeDeadline() {
	if !b.done {
		b.done = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

// deadlineWriter sets a deadline for each write and flush and removes it afterwards: on HTTP/2 a deadline that passes
// resets the stream even if nothing is being written.
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

// Flush implements [http.Flusher], which connecthttp requires.
func (w *deadlineWriter) Flush() { _ = w.FlushError() }

// FlushError is the method that [http.ResponseController] calls.
func (w *deadlineWriter) FlushError() error {
	w.begin()
	defer w.end()
	return w.control.Flush()
}

// Unwrap lets [http.ResponseController] find the methods of the wrapped writer.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
