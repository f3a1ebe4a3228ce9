package lane_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server/forwarded"
	"key-value/internal/server/lane"
)

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.TCPAddr
}

func (f from) RemoteAddr() net.Addr { return &f.addr }

// A caller with a wrong key must not slow down those who share a connection of a trusted proxy with it.
func TestAGuessDelaysTheConnectionUnlessItIsATrustedProxys(t *testing.T) {
	t.Parallel()
	proxies := forwarded.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	for addr, want := range map[string]time.Duration{"192.0.2.1": 100 * time.Millisecond, "10.0.0.1": 0} {
		synctest.Test(t, func(t *testing.T) {
			conn := lane.NewConn(from{addr: net.TCPAddr{IP: net.ParseIP(addr)}}, proxies, nil)
			streams := lane.NewStreams(limiterOf(lane.Bounds{}), conn, nil, nil)
			defer streams.Close()
			lane.Refused(context.WithValue(t.Context(), lane.StreamsKey, streams), 100*time.Millisecond)
			start := time.Now()
			streams.Pace()
			if took := time.Since(start); took != want {
				t.Errorf("after a wrong key, a connection from %s is delayed by %v, want %v", addr, took, want)
			}
		})
	}
}
