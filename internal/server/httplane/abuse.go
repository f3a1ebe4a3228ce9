package httplane

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

// The defence against rapid reset (CVE-2023-44487), in which a client opens HTTP/2 streams only to reset them. net/http
// bounds the handlers that run for such a client, but not the rest of the work. Here resets makes the connection of such
// a client slower, and peer.serve skips requests that were reset before their turn and closes the connection in the end.
// Closing it at once would be useless, since the client opens another.

const (
	// resetRead is how much is read at once from a client that resets too much: a few requests, so that the requests of
	// others come in between.
	resetRead = 512
	// delayMax is the longest delay before one read. A client that is delayed must still be noticed when it leaves.
	delayMax = time.Second
)

// resets delays a client that resets more requests than it finishes. It counts frames before net/http reads them,
// because net/http reads everything there is before it starts on the first request. Only the connection's reader uses
// it.
type resets struct {
	bounds *lane.Bounds
	excess int           // requests that were reset, less those that were not
	owed   time.Duration // delay before more is read
}

// count counts a frame that has arrived.
func (r *resets) count(f h2.Frame) {
	switch f.Kind {
	case h2.TypeHeaders:
		r.excess = max(r.excess-1, -1) // until it is reset
	case h2.TypeRSTStream:
		if r.excess += 2; r.excess > r.bounds.ResetsFree {
			r.owed += r.bounds.ResetDelay
		}
	}
}

// wait delays the next read, and returns the part of p to read into.
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

// serve serves a request unless it was reset before its turn, and closes the connection when resetsMax more requests
// were reset than finished.
func (p *peer) serve(next http.Handler, w http.ResponseWriter, r *http.Request, resetsMax int) {
	if p.resets.Load() > 0 {
		runtime.Gosched() // the reset may have arrived with the request
	}
	if r.Context().Err() == nil {
		next.ServeHTTP(w, r)
	}
	if r.Context().Err() != nil {
		if p.resets.Add(1) >= int64(resetsMax) {
			_ = p.conn.Close()
		}
		return
	}
	if n := p.resets.Load(); n > 0 {
		p.resets.CompareAndSwap(n, n-1) // losing a race to another request only miscounts by one
	}
}

// mixing finds out whether a connection brings both gRPC and other requests. Then the next connection of this client
// must not go to the gRPC lane, even if it begins with gRPC. Requests that a proxy marks as its own never go there, so
// their connections do not count.
type mixing struct {
	kinds    atomic.Uint32 // a set of kind…
	reported atomic.Int64  // when the mix was last reported, in seconds of Unix time
}

const (
	kindGRPC = 1 << iota
	kindOther
	kindProxied

	kindMixed = kindGRPC | kindOther
)

// mixedEvery is how often the mix on one connection is reported, in seconds.
const mixedEvery = 60

// seen reports whether r, or a request before it, shows a mix that has to be reported now.
func (m *mixing) seen(r *http.Request) bool {
	kinds := m.kinds.Load()
	if kinds&kindProxied != 0 {
		return false
	}
	if kinds&kindMixed != kindMixed {
		kind := uint32(kindOther)
		if h2.IsGRPC(r.Header.Get("Content-Type")) {
			kind = kindGRPC
		}
		if kinds&kind != 0 {
			return false
		}
		if proxied(r) {
			kind = kindProxied
		}
		if kinds = m.kinds.Or(kind) | kind; kinds != kindMixed {
			return false
		}
	}
	last, now := m.reported.Load(), time.Now().Unix()
	return now-last >= mixedEvery && m.reported.CompareAndSwap(last, now)
}

func proxied(r *http.Request) bool {
	for _, name := range []string{"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"} {
		if len(r.Header[name]) != 0 {
			return true
		}
	}
	return false
}
