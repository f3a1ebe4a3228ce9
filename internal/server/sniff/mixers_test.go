package sniff_test

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
	"key-value/internal/testkit/wiretest"
)

// mixing is a mux that remembers two peers for an hour.
type mixing struct {
	listener *listener
	accepted chan accepted
	begin    []byte // of a gRPC connection
}

type accepted struct {
	conn *sniff.Conn
	lane sniff.Lane
}

func startMixing(t *testing.T, grpc bool) *mixing {
	client := newRecorder(t)
	client.Greet()
	client.Request(1, client.Post(procedure, "application/grpc"), wiretest.Message(nil))
	s := &mixing{listener: newListener(), accepted: make(chan accepted), begin: client.sent.Bytes()}
	m := run(t, s.listener, sniff.Config{
		GRPC: grpc, Log: slog.New(slog.DiscardHandler), Bounds: lane.Bounds{MixedPeers: 2, MixedFor: time.Hour}.WithDefaults(),
	})
	for _, lane := range []sniff.Lane{sniff.HTTP, sniff.GRPC} {
		l := m.Listener(lane)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				s.accepted <- accepted{conn.(*sniff.Conn), lane}
			}
		}()
	}
	return s
}

// dial opens a gRPC connection from an address, and returns it as its lane gets it.
func (s *mixing) dial(t *testing.T, addr string) accepted {
	s.listener.conns <- &script{pieces: [][]byte{bytes.Clone(s.begin)}, peer: net.TCPAddr{IP: net.ParseIP(addr), Port: 4711}}
	a := <-s.accepted
	t.Cleanup(func() { _ = a.conn.Close() })
	return a
}

// mix has a peer mix requests.
func (s *mixing) mix(t *testing.T, addr string) { s.dial(t, addr).conn.Mixed() }

func (s *mixing) want(t *testing.T, addr string, want sniff.Lane) {
	t.Helper()
	if got := s.dial(t, addr).lane; got != want {
		t.Errorf("a gRPC connection from %s went to lane %v, want %v", addr, got, want)
	}
}

func TestAPeerThatMixedIsRememberedForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startMixing(t, true)
		s.want(t, "192.0.2.1", sniff.GRPC)
		s.mix(t, "192.0.2.1")
		s.want(t, "192.0.2.1", sniff.HTTP)
		s.want(t, "::ffff:192.0.2.1", sniff.HTTP)
		s.want(t, "192.0.2.2", sniff.GRPC)
		time.Sleep(50 * time.Minute)
		s.mix(t, "192.0.2.1") // again
		time.Sleep(50 * time.Minute)
		s.want(t, "192.0.2.1", sniff.HTTP)
		time.Sleep(11 * time.Minute)
		s.want(t, "192.0.2.1", sniff.GRPC)
	})
}

func TestTheNumberOfRememberedPeersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startMixing(t, true)
		for _, addr := range []string{"192.0.2.1", "2001:db8::2", "192.0.2.1", "192.0.2.3"} {
			s.mix(t, addr)
			time.Sleep(time.Minute)
		}
		s.want(t, "192.0.2.1", sniff.HTTP)
		s.want(t, "2001:db8::2", sniff.GRPC) // mixed longest ago
		s.want(t, "192.0.2.3", sniff.HTTP)
	})
}

func TestOpenConnectionsOfAPeerThatMixesAreSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startMixing(t, true)
		told := make(chan string, 10)
		open := func(name, addr string) *sniff.Conn {
			c := s.dial(t, addr).conn
			c.OnMixed(func() { told <- name })
			return c
		}
		open("one", "192.0.2.1")
		_ = open("closed", "192.0.2.1").Close()
		open("of another peer", "192.0.2.2")
		late := s.dial(t, "192.0.2.1").conn // in its lane before the mix
		s.mix(t, "192.0.2.1")
		late.OnMixed(func() { told <- "late" })
		synctest.Wait()
		s.mix(t, "192.0.2.1") // tells nobody twice
		synctest.Wait()
		got := map[string]int{}
		for len(told) != 0 {
			got[<-told]++
		}
		if len(got) != 2 || got["one"] != 1 || got["late"] != 1 {
			t.Errorf("these connections were told: %v, want one and late, once each", got)
		}
	})
}

// What has no address, such as a pipe, is never remembered.
func TestPeersWithoutAnAddressAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startMixing(t, true)
		s.mix(t, "")
		s.want(t, "", sniff.GRPC)
	})
}

func TestWithoutAGRPCLaneAllGoesToHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startMixing(t, false)
		s.want(t, "192.0.2.1", sniff.HTTP)
	})
}
