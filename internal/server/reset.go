package server

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
)

// resetsMax is how many more requests than it waits for a client may give up, on one HTTP/2 connection, before it is sent
// away.
const resetsMax = 1000

// peerKey is where a connection's context has its *peer.
type peerKey struct{}

// peer is who is at the other end of a connection of net/http.
type peer struct {
	conn   net.Conn
	resets atomic.Int64 // requests that were given up, less those that were not
}

func keepPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(keepTLS(ctx, conn), peerKey{}, &peer{conn: conn})
}

// withoutResets closes connections whose clients open streams only to reset them ("rapid reset", CVE-2023-44487).
// net/http bounds how many handlers run for such a client and leaves it at that; package split reads more slowly from it.
// To close the connection at once would be no use, since the client opens another. A request that was given up before its
// turn came is not looked at.
func withoutResets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := r.Context().Value(peerKey{}).(*peer)
		if !ok || r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		if p.resets.Load() > 0 {
			runtime.Gosched() // what takes the request back may have come with it
		}
		if r.Context().Err() == nil {
			next.ServeHTTP(w, r)
		}
		p.ended(r.Context().Err() != nil)
	})
}

// ended counts a request that is over.
func (p *peer) ended(reset bool) {
	if !reset {
		if n := p.resets.Load(); n > 0 {
			p.resets.CompareAndSwap(n, n-1) // if somebody else counts, too, one more or less does not matter
		}
		return
	}
	if p.resets.Add(1) >= resetsMax {
		_ = p.conn.Close()
	}
}
