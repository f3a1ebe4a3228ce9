package httplane

import (
	"fmt"
	"net/http"

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
