package httplane

import "net/http"

// closingWriter closes an HTTP/1.1 connection after a response that begins while the server is about to stop. The client
// then opens a new one, which a load balancer sends elsewhere. Closing an idle connection instead could lose a request
// that is on its way. It decides when the response begins, since a request may have been waiting since long before.
// HTTP/2 has GOAWAY for this.
type closingWriter struct {
	http.ResponseWriter
	running func() bool
	begun   bool
}

// begin is called before the header is written.
func (w *closingWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if !w.running() {
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader implements [http.ResponseWriter].
func (w *closingWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *closingWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// FlushError is the method that [http.ResponseController] calls.
func (w *closingWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] find the methods of the wrapped writer.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
