package httplane

import (
	"net/http"
	"sync/atomic"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

// mixing finds out whether a connection brings both gRPC and other requests. Then the next connection of this client
// must not go to the gRPC lane, even if it begins with gRPC. Requests that a proxy marks as its own never go there, so
// their connections do not count.
type mixing struct {
	kinds    atomic.Uint32 // a set of kind…
	reported atomic.Int64  // when the mix was last reported, as lane.Now returns it; zero: never
}

const (
	kindGRPC = 1 << iota
	kindOther
	kindProxied

	kindMixed = kindGRPC | kindOther
)

// mixedEvery is how often the mix on one connection is reported.
const mixedEvery = time.Minute

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
	last, now := m.reported.Load(), lane.Now()
	return (last == 0 || now-last >= int64(mixedEvery)) && m.reported.CompareAndSwap(last, now)
}

func proxied(r *http.Request) bool {
	for _, name := range []string{"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"} {
		if len(r.Header[name]) != 0 {
			return true
		}
	}
	return false
}
