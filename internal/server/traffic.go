package server

import (
	"net/http"
	"sync/atomic"
)

// Traffic counts the connections and requests of a server. The zero value is ready for use.
type Traffic struct {
	connections       connections
	plain, http, grpc atomic.Int64 // requests
}

// connections counts those of a table.
type connections struct {
	open     atomic.Int64
	rejected atomic.Int64 // idle ones that gave way, and new ones for which none did
}

// Connections returns how many connections are open, and how many were closed because there were too many: those that gave way,
// and new ones if none could.
func (t *Traffic) Connections() (open, rejected int64) {
	return t.connections.open.Load(), t.connections.rejected.Load()
}

// Requests returns how many requests each lane has begun to serve, by its name: plain, http and grpc.
func (t *Traffic) Requests() map[string]int64 {
	return map[string]int64{"plain": t.plain.Load(), "http": t.http.Load(), "grpc": t.grpc.Load()}
}

// counting returns a handler that counts the requests that it passes to next.
func counting(n *atomic.Int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		next.ServeHTTP(w, r)
	})
}
