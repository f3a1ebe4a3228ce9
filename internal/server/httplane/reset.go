package httplane

import (
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

const (
	// resetRead is how much is read at once of who does so: a few requests, so that others come in between.
	resetRead = 512
	// delayMax is the longest wait before a read: a client that is kept waiting must still be noticed when it leaves.
	delayMax = time.Second
)

// resets slows down clients that open streams only to reset them ("rapid reset", CVE-2023-44487). It counts what comes,
// before the server sees it, because the server takes all that is there before it looks at the first request.
type resets struct {
	bounds *lane.Bounds
	excess int           // requests that were given up, less those that were not
	owed   time.Duration // to wait before more is read
}

// count is told of a frame that has come.
func (r *resets) count(f h2.Frame) {
	switch f.Kind {
	case h2.TypeHeaders:
		r.excess = max(r.excess-1, -1) // until it is given up
	case h2.TypeRSTStream:
		if r.excess += 2; r.excess > r.bounds.ResetsFree {
			r.owed += r.bounds.ResetDelay
		}
	}
}

// wait keeps the client waiting, and returns how much of p to read into.
func (r *resets) wait(p []byte) []byte {
	if r.owed > 0 {
		delay := min(r.owed, delayMax)
		time.Sleep(delay)
		r.owed -= delay
	}
	if r.excess > r.bounds.ResetsFree {
		return p[:min(len(p), resetRead)]
	}
	return p
}
