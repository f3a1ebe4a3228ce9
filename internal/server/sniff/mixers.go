package sniff

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"key-value/internal/server/lane"
)

// mixers remembers the addresses of peers that sent gRPC and other requests on one connection. Most are proxies that
// pool their connections to a server, such as HAProxy with "server … proto h2" and without "option forwardfor". The GRPC
// lane has to refuse the other requests, and not every proxy retries them. So further connections from such an address go
// to the HTTP lane, which serves all requests, and gRPC connections that it still has are sent away with GOAWAY.
//
// An address is an IP without a port. Up to Bounds.MixedPeers of them are remembered; if there are more, the one that
// mixed longest ago is forgotten. Each is remembered until Bounds.MixedFor has passed since it last mixed, on any lane,
// or the process ends. What remains is the one request that shows the mix: a client that does not retry it sees it fail.
// Without a GRPC lane (--fast-grpc=false) none is refused.
type mixers struct {
	max  int
	keep time.Duration

	mu   sync.Mutex
	last map[netip.Addr]time.Time          // :: address → when it last mixed; guarded by mu
	grpc map[netip.Addr]map[*Conn]struct{} // :: address → its connections of the GRPC lane; guarded by mu
}

func newMixers(bounds lane.Bounds) *mixers {
	return &mixers{
		max: bounds.MixedPeers, keep: bounds.MixedFor,
		last: map[netip.Addr]time.Time{}, grpc: map[netip.Addr]map[*Conn]struct{}{},
	}
}

// addrOf returns the address of a connection's peer. It is invalid where there is none, as with [net.Pipe].
func addrOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (m *mixers) has(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hasLocked(addr)
}

func (m *mixers) hasLocked(addr netip.Addr) bool {
	last, ok := m.last[addr]
	if ok && time.Since(last) > m.keep {
		delete(m.last, addr)
		return false
	}
	return ok
}

// Mixed remembers that the peer of c has mixed gRPC with other requests.
func (c *Conn) Mixed() {
	if addr := addrOf(c.Conn); c.mixers != nil && addr.IsValid() {
		c.mixers.add(addr)
	}
}

// OnMixed has goAway called, in a goroutine of its own, when a connection from c's address mixes requests, or at once if
// one has. A lane that cannot serve all requests calls it when c is ready for goAway.
func (c *Conn) OnMixed(goAway func()) {
	if addr := addrOf(c.Conn); c.mixers != nil && addr.IsValid() {
		c.mixers.register(addr, c, goAway)
	}
}

func (m *mixers) register(addr netip.Addr, c *Conn, goAway func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case c.closed:
		return
	case m.hasLocked(addr): // since c's lane was chosen
		go goAway()
		return
	}
	c.onMixed = goAway
	if m.grpc[addr] == nil {
		m.grpc[addr] = map[*Conn]struct{}{}
	}
	m.grpc[addr][c] = struct{}{}
}

func (m *mixers) unregister(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.closed = true
	addr := addrOf(c.Conn)
	delete(m.grpc[addr], c)
	if len(m.grpc[addr]) == 0 {
		delete(m.grpc, addr)
	}
}

func (m *mixers) add(addr netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.last[addr]; !known && len(m.last) >= m.max {
		m.forgetOldestLocked()
	}
	m.last[addr] = time.Now()
	for c := range m.grpc[addr] {
		go c.onMixed() // it may have to wait for a slow peer
	}
	delete(m.grpc, addr)
}

func (m *mixers) forgetOldestLocked() {
	var oldest netip.Addr
	for addr, last := range m.last {
		if !oldest.IsValid() || last.Before(m.last[oldest]) {
			oldest = addr
		}
	}
	delete(m.last, oldest)
}
