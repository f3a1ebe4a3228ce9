package server_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"golang.org/x/net/http2"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// refuseUnread answers calls of who without reading their message.
func refuseUnread(bounds server.Bounds) server.Config {
	rpc := connect.NewServer()
	rpc.Register(connect.Method{
		Spec: connect.Spec{Procedure: who},
		Handler: func(context.Context, connect.Spec, connect.ServerStream) error {
			return connect.NewError(connect.CodeUnauthenticated, "unread")
		},
	})
	mux := http.NewServeMux()
	connecthttp.Mount(mux, rpc)
	return server.Config{Handler: mux, RPC: rpc, Bounds: bounds}
}

// unanswered calls who on a stream, waits until its response is complete, and leaves the body open.
func unanswered(p *wiretest.Peer, stream uint32, contentType string) {
	p.Must(p.WriteHeaders(headers(stream, p.Post(who, contentType))))
	for {
		frame := wiretest.Next[http2.Frame](p)
		ends, ok := frame.(interface{ StreamEnded() bool })
		if frame == nil || ok && ends.StreamEnded() && frame.Header().StreamID == stream {
			return
		}
	}
}

// resetsBefore returns the resets that arrive before the answer to PING.
func resetsBefore(p *wiretest.Peer) (resets []http2.RSTStreamFrame) {
	p.Must(p.WritePing(false, [8]byte{1}))
	for {
		switch f := wiretest.Next[http2.Frame](p).(type) {
		case *http2.RSTStreamFrame:
			resets = append(resets, *f)
		case *http2.PingFrame:
			if f.IsAck() {
				return resets
			}
		case nil:
			return resets
		}
	}
}

func TestABodyIsTakenAfterItsResponse(t *testing.T) {
	t.Parallel()
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		s := start(t, refuseUnread(server.Bounds{UnreadBytes: 256 << 10}))
		p := s.dial(t)
		for stream := uint32(1); stream < 401; stream += 2 { // more than may be open at once
			unanswered(p, stream, lane.contentType)
			if stream == 1 { // the windows are those of a new connection: this takes more than the first
				for range 16 {
					p.Must(p.WriteData(stream, false, make([]byte, 16<<10)))
				}
			}
			p.Must(p.WriteData(stream, true, []byte("x")))
		}
		if resets := resetsBefore(p); len(resets) != 0 {
			t.Errorf("the server resets %v", resets)
		}
	})
}

func TestOnlySoMuchOfAnUnreadBodyIsTaken(t *testing.T) {
	t.Parallel()
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		s := start(t, refuseUnread(server.Bounds{UnreadBytes: 20 << 10}))
		p := s.dial(t)
		unanswered(p, 1, lane.contentType)
		p.Must(p.WriteData(1, false, make([]byte, 16<<10)))
		if resets := resetsBefore(p); len(resets) != 0 {
			t.Errorf("after 16 KiB of 20 KiB the server resets %v", resets)
		}
		p.Must(p.WriteData(1, false, make([]byte, 16<<10)))
		if resets := resetsBefore(p); len(resets) == 0 || resets[0].StreamID != 1 || resets[0].ErrCode != http2.ErrCodeNo {
			t.Errorf("after 32 KiB of 20 KiB the server resets %v, want stream 1 without an error", resets)
		}
	})
}

func TestOnlySoManyUnreadBodiesAreTaken(t *testing.T) {
	t.Parallel()
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		s := start(t, refuseUnread(server.Bounds{Streams: 3}))
		p := s.dial(t)
		for stream := uint32(1); stream <= 7; stream += 2 {
			unanswered(p, stream, lane.contentType)
		}
		resets := resetsBefore(p)
		if len(resets) != 1 || resets[0].StreamID != 7 {
			t.Errorf("with 4 unread bodies of 3 the server resets %v, want stream 7", resets)
		}
	})
}

// A client that has its response, and stops sending its body, is not one that resets requests to make the server work.
func TestAClientMayResetAfterItsResponse(t *testing.T) {
	t.Parallel()
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		s := start(t, refuseUnread(server.Bounds{ResetsFree: 1, ResetsMax: 2}))
		p := s.dial(t)
		for stream := uint32(1); stream < 41; stream += 2 {
			unanswered(p, stream, lane.contentType)
			p.Must(p.WriteRSTStream(stream, http2.ErrCodeCancel))
		}
		p.Must(p.WritePing(false, [8]byte{1}))
		if wiretest.Next[*http2.PingFrame](p) == nil {
			t.Error("the server closes the connection")
		}
	})
}

func TestAConnectionIsClosedAfterItsUnreadBody(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }),
		Bounds:  server.Bounds{UnreadBytes: 1 << 20},
	})
	for name, send := range map[string]int{"all that is taken": 1 << 20, "more than is taken": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			conn := dialTCP(t, s.addr)
			_, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != http.StatusUnauthorized {
				t.Fatalf("the response is %v, %v", res, err)
			}
			for sent := 0; sent < send && err == nil; sent += 64 << 10 {
				_, err = conn.Write(make([]byte, 64<<10))
			}
			if want := send > 1<<20; want != (err != nil) {
				t.Errorf("sending %d MiB of the body ends with %v", send>>20, err)
			}
		})
	}
}

func TestAConnectionWithAnUnreadBodyGivesWay(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{
		Handler:        http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }),
		MaxConnections: 1,
	})
	for range 3 {
		conn := dialTCP(t, s.addr) // stays open
		_, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("the response is %v, %v", res, err)
		}
	}
}
