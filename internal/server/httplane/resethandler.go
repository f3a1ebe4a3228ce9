package httplane

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
)

// peerKey is where a connection's context has its *peer.
type peerKey struct{}

// peer is who is at the other end of a connection of net/http.
type peer struct {
	conn      net.Conn
	tls       *tls.ConnectionState // nil: there is no TLS, or net/http knows it
	resetsMax int64
	resets    atomic.Int64 // requests that were given up, less those that were not
}

func (l *Lane) keepPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, &peer{conn: c, tls: tlsOf(c), resetsMax: int64(l.bounds.ResetsMax)})
}

// withoutResets closes connections whose clients open streams only to reset them ("rapid reset", CVE-2023-44487).
// net/http bounds how many handlers run for such a client and leaves it at that; type conn reads more slowly from it.
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
	if p.resets.Add(1) >= p.resetsMax {
		_ = p.conn.Close()
	}
}
