package httplane

import (
	"fmt"
	"net/http"

	"key-value/internal/contract/problem"
)

// rejects answers requests that net/http should not have accepted, and reports whether r is one.
func (l *Lane) rejects(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.ProtoMajor == 1 && headerSize(r) > l.bounds.HeaderBytes: // net/http accepts up to 4 KiB more
		w.Header().Set("Connection", "close")
		detail := fmt.Sprintf("The headers exceed %d KiB.", l.bounds.HeaderBytes>>10)
		problem.Problem{Status: http.StatusRequestHeaderFieldsTooLarge, Detail: detail}.Write(w, r)
		return true
	case r.ProtoMajor == 1 && len(r.TransferEncoding) != 0:
		// A chunked request may have had a Content-Length too, which net/http drops silently; a proxy in front may have
		// used that one, and would see a second request where this server saw the rest of the first (RFC 9112, section
		// 6.1). So it is the last one of its connection.
		w.Header().Set("Connection", "close")
	case r.ProtoMajor == 2 && len(r.Header["Content-Length"]) > 1: // net/http takes the first; on HTTP/1.1 it rejects them
		problem.Problem{Status: http.StatusBadRequest, Detail: "The request has more than one Content-Length."}.Write(w, r)
		return true
	}
	return false
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
