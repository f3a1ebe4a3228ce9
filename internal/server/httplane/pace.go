package httplane

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"key-value/internal/server/lane"
)

// What a slow peer can hold up is bounded: the reading of a body, and each write of a response, so that a stream may last
// as long as its reader reads. Their deadlines move with the bytes. The ReadTimeout and WriteTimeout of [http.Server] would
// end long streams, and large bodies of slow peers.

// paceBody returns r with a body that has a pace, if it has one. W writes the response. Http1 is as in serve. It is not
// inlined, so that a watch has a shallow stack.
//
//go:noinline
func (l *Lane) paceBody(r *http.Request, w *writer, http1 *http1Conn) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		http1.readAll()
		return r
	}
	// net/http compares its request's body with the one that it made. If they differ it does not notice a body that was
	// not read to its end, and takes the rest for the next request. So only the copy has another body.
	inner := *r
	body := &pacedBody{
		ReadCloser: r.Body, control: w.control, calls: w.calls, http1: http1, meter: lane.Meter{Pace: l.bounds.ReadPace()},
	}
	body.setDeadline(body.meter.Begin(time.Now()))
	inner.Body = body
	return &inner
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
	http1   *http1Conn    // nil: it is an HTTP/2 connection
	meter   lane.Meter
	done    bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.http1.readAll()
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
