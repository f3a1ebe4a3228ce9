package plainlane

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPending is how much of a body of unknown length is kept, in bytes, before it is sent in chunks. A shorter one gets a
// Content-Length.
const maxPending = 2 << 10

// response writes the response to the request that a connection is serving. It is used again for the next request.
type response struct {
	conn    *conn
	header  http.Header
	names   []string // of the headers, while they are written
	toHead  bool     // whether the request is HEAD
	pending []byte   // the body so far, while its length is not known

	status   int   // 0: the response has not begun
	complete bool  // whether the head is
	typed    bool  // whether there is a Content-Type, or must be none
	length   int64 // the Content-Length that the handler set; -1: none
	written  int64 // bytes of the body
	chunked  bool
	closing  bool // whether the connection is closed after it
	wrong    bool // whether the handler wrote more than that
}

// reset makes w the response to a request.
func (w *response) reset(method string) {
	clear(w.header)
	*w = response{
		conn: w.conn, header: w.header, names: w.names[:0], pending: w.pending[:0], toHead: method == http.MethodHead, length: -1,
	}
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// bodyless reports whether responses with a status have no body.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// WriteHeader implements [http.ResponseWriter]. It ignores informational responses.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK {
		return
	}
	w.status = status
	w.closing = !w.conn.lane.cfg.Running() || wantsClose(w.header["Connection"])
	w.conn.out.add(func(out []byte) []byte { return w.appendHead(out) })
}

func wantsClose(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "close") })
}

// appendHead appends the head, except for what depends on the body.
func (w *response) appendHead(out []byte) []byte {
	out = appendStatus(out, w.status)
	_, dated := w.header["Date"]
	_, encoded := w.header["Content-Encoding"]
	w.typed = encoded || bodyless(w.status)
	w.names = w.names[:0]
	for name := range w.header {
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		values := w.header[name]
		switch name {
		case "Connection", "Transfer-Encoding", "Trailer":
			continue
		case "Content-Length":
			w.length = declaredLength(values)
			continue
		case "Content-Type":
			if w.status == http.StatusNotModified {
				continue
			}
			w.typed = true
		}
		for _, value := range values {
			out = appendField(out, name, value)
		}
	}
	if !dated {
		out = append(append(append(out, "Date: "...), w.conn.lane.clock.date()...), "\r\n"...)
	}
	if w.closing {
		out = append(out, "Connection: close\r\n"...)
	}
	return out
}

// completeHead appends the rest of the head. First is the beginning of the body.
func (w *response) completeHead(out, first []byte) []byte {
	w.complete = true
	if !w.typed && len(first) > 0 {
		out = appendField(out, "Content-Type", http.DetectContentType(first))
	}
	switch {
	case bodyless(w.status):
	case w.length >= 0:
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), w.length, 10), "\r\n"...)
	case !w.toHead:
		w.chunked = true
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(out, "\r\n"...)
}

// declaredLength returns the length in the values of a Content-Length header, -1 if it is none.
func declaredLength(values []string) int64 {
	if len(values) != 1 {
		return -1
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case bodyless(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		w.wrong = !w.toHead
		return 0, http.ErrContentLength
	case len(p) == 0:
		return 0, nil
	}
	w.written += int64(len(p))
	if w.length < 0 && !w.complete && len(w.pending)+len(p) <= maxPending {
		w.pending = append(w.pending, p...)
		return len(p), nil
	}
	if !w.complete {
		first := p
		if len(w.pending) > 0 {
			first = w.pending
		}
		w.conn.out.add(func(out []byte) []byte { return w.completeHead(out, first) })
		w.sendPending()
	}
	if err := w.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteString implements [io.StringWriter].
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *response) sendPending() {
	if len(w.pending) > 0 {
		_ = w.send(w.pending) // the next write fails too
		w.pending = w.pending[:0]
	}
}

// send sends a part of the body.
func (w *response) send(p []byte) error {
	if w.toHead {
		return nil
	}
	if !w.chunked {
		return w.conn.out.send(p)
	}
	w.conn.out.add(func(out []byte) []byte { return append(strconv.AppendInt(out, int64(len(p)), 16), "\r\n"...) })
	if err := w.conn.out.send(p); err != nil {
		return err
	}
	return w.conn.out.add(func(out []byte) []byte { return append(out, "\r\n"...) })
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is the method that [http.ResponseController] calls.
func (w *response) FlushError() error {
	w.WriteHeader(http.StatusOK)
	if !w.complete {
		w.conn.out.add(func(out []byte) []byte { return w.completeHead(out, w.pending) })
		w.sendPending()
	}
	return w.conn.out.flush()
}

// finish completes the response. It returns false if the connection cannot be used any more.
func (w *response) finish() bool {
	w.WriteHeader(http.StatusOK)
	if !w.complete {
		if w.length < 0 && (!w.toHead || w.written > 0) {
			w.length = w.written
		}
		w.conn.out.add(func(out []byte) []byte { return w.completeHead(out, w.pending) })
		w.sendPending()
	}
	if w.chunked {
		w.conn.out.add(func(out []byte) []byte { return append(out, "0\r\n\r\n"...) })
	}
	short := w.length > w.written && !w.toHead && !bodyless(w.status)
	return !short && !w.wrong && !w.closing
}

var _ io.StringWriter = (*response)(nil)

// appendStatus appends the status line.
func appendStatus(out []byte, status int) []byte {
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(status), 10)
	out = append(out, ' ')
	if text := http.StatusText(status); text != "" {
		return append(append(out, text...), "\r\n"...)
	}
	return append(strconv.AppendInt(append(out, "status code "...), int64(status), 10), "\r\n"...)
}

// appendField appends a header, whose value must not begin another one.
func appendField(out []byte, name, value string) []byte {
	out = append(append(out, name...), ": "...)
	begin := len(out)
	out = append(out, value...)
	for i := begin; i < len(out); i++ {
		if out[i] == '\r' || out[i] == '\n' {
			out[i] = ' '
		}
	}
	return append(out, "\r\n"...)
}
