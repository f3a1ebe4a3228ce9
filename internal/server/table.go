package server

import (
	"net"
	"net/netip"
	"sync"

	"key-value/internal/server/forwarded"
	"key-value/internal/server/lane"
)

// sampled is how many connections are looked at to find the one that gives way: all of a small table, and enough of a
// large one to meet those of an address that holds much of it.
const sampled = 64

// table is a listener that bounds the connections that are open at a time. When it is full, a new connection takes the
// place of another, so that nobody can keep others out by opening connections. The first of these gives way:
//
//  1. one without an authenticated caller, before one with;
//  2. one that is idle, which has no request in flight and perhaps never had one;
//  3. one of the address that has the most connections; those of a trusted proxy count as one each, because they may be
//     those of different callers;
//  4. the one that has been idle for the longest time.
//
// Connections with an authenticated caller and a request in flight never give way. If there are no others, the new
// connection is closed.
type table struct {
	net.Listener
	max     int
	proxies forwarded.Proxies // trusted ones
	counts  *connections

	mu    sync.Mutex
	conns map[*lane.Conn]netip.Addr // :: connection → address of the peer; guarded by mu
	held  map[netip.Addr]int        // :: address → its connections; guarded by mu
}

// newTable returns inner with at most limit connections, which it counts. Zero: no limit. Proxies are trusted.
func newTable(inner net.Listener, limit int, proxies forwarded.Proxies, counts *connections) *table {
	return &table{Listener: inner, max: limit, proxies: proxies, counts: counts, conns: map[*lane.Conn]netip.Addr{}, held: map[netip.Addr]int{}}
}

// Accept implements [net.Listener]. The connections are of type *[lane.Conn].
func (t *table) Accept() (net.Conn, error) {
	for {
		conn, err := t.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var c *lane.Conn
		c = lane.NewConn(conn, t.proxies, func() { t.remove(c) })
		displaced, ok := t.add(c)
		if displaced != nil {
			_ = displaced.Close()
		}
		if ok {
			return c, nil
		}
		_ = conn.Close()
	}
}

// add adds c, and returns the connection that must give way to it, or nil. It returns false if none can.
func (t *table) add(c *lane.Conn) (displaced *lane.Conn, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.max > 0 && len(t.conns) >= t.max {
		t.counts.rejected.Add(1)
		if displaced = t.chooseLocked(); displaced == nil {
			return nil, false
		}
		t.removeLocked(displaced)
	}
	from := sourceOf(c.RemoteAddr())
	t.conns[c] = from
	t.held[from]++
	t.counts.open.Add(1)
	return displaced, true
}

func (t *table) remove(c *lane.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeLocked(c)
}

func (t *table) removeLocked(c *lane.Conn) {
	from, ok := t.conns[c]
	if !ok {
		return
	}
	delete(t.conns, c)
	t.counts.open.Add(-1)
	if t.held[from]--; t.held[from] == 0 {
		delete(t.held, from)
	}
}

// candidate is a connection that may give way.
type candidate struct {
	conn        *lane.Conn
	known, idle bool
	held        int   // connections of its address
	since       int64 // when it was last used
}

// before reports whether c gives way before other.
func (c candidate) before(other candidate) bool {
	switch {
	case other.conn == nil:
		return true
	case c.known != other.known:
		return !c.known
	case c.idle != other.idle:
		return c.idle
	case c.held != other.held:
		return c.held > other.held
	}
	return c.since < other.since
}

// chooseLocked returns the connection that gives way, of some that are picked at random. Nil: none can.
func (t *table) chooseLocked() *lane.Conn {
	var first candidate
	n := 0
	for conn, from := range t.conns {
		if n++; n > sampled {
			break
		}
		c := candidate{conn: conn, known: conn.Known(), held: t.held[from]}
		if conn.Proxied() {
			c.held = 1
		}
		c.idle, c.since = conn.Idle()
		if (c.idle || !c.known) && c.before(first) {
			first = c
		}
	}
	return first.conn
}

// networkBits is the part of an IPv6 address that counts. A host can use every address of its network.
const networkBits = 64

func sourceOf(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	source := tcp.AddrPort().Addr().Unmap().WithZone("")
	if source.Is4() {
		return source
	}
	prefix, _ := source.Prefix(networkBits)
	return prefix.Addr()
}
