package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"golang.org/x/net/http2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// fetch sends a request in the background, and returns a channel that receives the body of its response, or the error.
func fetch(client *http.Client, url string) <-chan string {
	result := make(chan string, 1)
	go func() {
		res, err := client.Get(url)
		if err != nil {
			result <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		result <- string(body)
	}()
	return result
}

func TestOpenCallsFinishBeforeTheServerStops(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]*http.Client{"HTTP/1.1": http1(t), "HTTP/2": wiretest.HTTPClient(t)} {
		t.Run(name, func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			s := start(t, server.Config{Drain: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(entered)
				<-release
				_, _ = io.WriteString(w, "done")
			})})
			response := fetch(client, s.url+"/slow")
			<-entered
			s.stop()
			<-s.state.Stopping().Done()
			select {
			case err := <-s.done:
				t.Fatalf("Run returned %v while a call was open", err)
			default:
			}
			close(release)
			if got := <-response; got != "done" {
				t.Errorf("the open call got %q, want its response", got)
			}
			s.wantCleanStop(t)
		})
	}
}

func TestACallThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	entered, cut := make(chan struct{}), make(chan struct{})
	s := start(t, server.Config{Drain: time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(cut)
	})})
	fetch(http1(t), s.url)
	<-entered
	s.stop()
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Run = %v, want it to say that calls were cut off", err)
	}
	<-cut
}

func TestAGRPCCallThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{Drain: time.Millisecond})
	slow := s.dial(t)
	slow.Must(slow.WriteHeaders(headers(1, slow.Post(who, grpcs)))) // its message never comes
	for wiretest.Next[*http2.SettingsFrame](slow).NumSettings() < 3 {
		// until grpc-go's own SETTINGS, which hold more than the first
	}
	s.stop()
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Run = %v, want it to say that calls were cut off", err)
	}
	if _, err := io.Copy(io.Discard, slow.Conn); err != nil {
		t.Logf("the connection ended with %v", err)
	}
}

func TestAStreamIsToldThatTheServerStops(t *testing.T) {
	t.Parallel()
	eachLane(t, lanes, func(t *testing.T, lane laneCase) {
		s := start(t, oneMinute)
		stream := s.openWatch(t, lane.transport(t, s.url), lane.server)
		s.stop()
		err := stream.Receive(&keyvaluev1.GetRequest{})
		if connect.CodeOf(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "the server is stopping") {
			t.Errorf("the stream ended with %v, want the error of its handler", err)
		}
		s.wantCleanStop(t)
	})
	t.Run("plain HTTP", func(t *testing.T) {
		state, entered := server.NewState(), make(chan struct{})
		s := start(t, server.Config{
			State: state, Drain: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(entered)
				<-state.Stopping().Done()
				_, _ = io.WriteString(w, "last words")
			}),
		})
		response := fetch(http1(t), s.url)
		<-entered
		s.stop()
		if got := <-response; got != "last words" {
			t.Errorf("the stream got %q, want its last words", got)
		}
		s.wantCleanStop(t)
	})
}

// The first request of a connection may be on its way when the server stops.
func TestARequestThatHasBegunIsAnswered(t *testing.T) {
	t.Parallel()
	eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
		s := start(t, oneMinute)
		p := s.dial(t)
		wiretest.Next[*http2.SettingsFrame](p) // now the server has the connection
		s.stop()
		<-s.state.Stopping().Done()
		p.Request(1, p.Post(who, lane.contentType), wiretest.Message(nil))
		wantResponse(t, p, lane.server)
		_ = p.Conn.Close()
		s.wantCleanStop(t)
	})
	t.Run("HTTP1", func(t *testing.T) {
		s := start(t, oneMinute)
		conn := wiretest.DialPeer(t, s.url).Conn
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		callWho(t, overHTTP1(t, s.url)) // now the server has the first connection too
		s.stop()
		<-s.state.Stopping().Done()
		if _, err := io.WriteString(conn, "Host: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("the request was answered with %v, %v; want 200", res, err)
		}
		s.wantCleanStop(t)
	})
}

// A connection without a request does not delay the stop, and its client learns that no request was lost.
func TestAnIdleConnectionIsSentGoAway(t *testing.T) {
	t.Parallel()
	s := start(t, settlingFast)
	p := s.dial(t)
	wiretest.Next[*http2.SettingsFrame](p)
	s.stop()
	if away := wiretest.Next[*http2.GoAwayFrame](p); away == nil || away.LastStreamID != 0 {
		t.Errorf("the idle connection got %v, want GOAWAY with last stream 0", away)
	}
	s.wantCleanStop(t)
}

// However many calls arrive while the server stops, each that it processes is answered.
func TestNoCallIsLostWhenTheServerStops(t *testing.T) {
	t.Parallel()
	eachLane(t, lanes, func(t *testing.T, lane laneCase) {
		s := start(t, settlingFast)
		var answered atomic.Int64
		var callers sync.WaitGroup
		for range 8 {
			client := connect.NewClient(lane.transport(t, s.url))
			callers.Go(func() {
				for {
					err := client.CallUnary(t.Context(), connect.Spec{Procedure: who}, &keyvaluev1.GetRequest{}, &keyvaluev1.GetRequest{})
					if err != nil {
						return // it came too late
					}
					answered.Add(1)
				}
			})
		}
		for answered.Load() < 200 {
			runtime.Gosched()
		}
		s.wantCleanStop(t)
		callers.Wait()
		if calls, got := s.calls.Load(), answered.Load(); calls != got {
			t.Errorf("the server processed %d calls, and the callers got %d responses", calls, got)
		}
	})
}

// Requests that a load balancer sends until it notices are answered, and the connections that it holds are closed.
func TestAServerThatIsAboutToStopStillAnswers(t *testing.T) {
	t.Parallel()
	state, ready := server.NewState(), func(context.Context) bool { return true }
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s := start(t, server.Config{State: state, Drain: time.Minute, Handler: server.Probes(state, ready, nothing)})
	old := http1(t)
	get := func(c *http.Client, path string) *http.Response {
		t.Helper()
		res, err := c.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	if res := get(old, "/"); res.Close {
		t.Error("a running server closes the connection")
	}
	server.Drain(state)
	if res := get(old, "/readyz"); res.StatusCode != http.StatusServiceUnavailable || !res.Close {
		t.Errorf("/readyz = %s, closing %t; want 503 on a connection that is closed", res.Status, res.Close)
	}
	for name, client := range map[string]*http.Client{"HTTP/1.1": http1(t), "HTTP/2": wiretest.HTTPClient(t)} {
		if res := get(client, "/"); res.StatusCode != http.StatusOK {
			t.Errorf("a new %s connection gets %s, want 200", name, res.Status)
		}
	}
	if state.Stopping().Err() != nil {
		t.Error("Stopping is done before the server stops")
	}
}

// A request may be in progress when a server is about to stop. If its connection stayed open, the client would send its next
// request on it, perhaps just when it is closed.
func TestAResponseDuringTheDrainDelayClosesItsConnection(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]func(http.ResponseWriter){
		"status":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"body":     func(w http.ResponseWriter) { _, _ = io.WriteString(w, "done") },
		"flush":    func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"no write": func(http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, release := make(chan struct{}), make(chan struct{})
			s := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(entered)
				<-release
				respond(w)
			})})
			client, closing := http1(t), make(chan bool, 1)
			go func() {
				defer close(closing)
				if res, err := client.Get(s.url); err == nil {
					_ = res.Body.Close()
					closing <- res.Close
				}
			}()
			<-entered
			server.Drain(s.state)
			close(release)
			if !<-closing {
				t.Error("the response leaves the connection open")
			}
		})
	}
}

func TestAFullServerStops(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{MaxConnections: 1, Drain: time.Minute, Handler: http.NotFoundHandler(), Bounds: settlingFast.Bounds})
	for range 3 {
		dialTCP(t, s.addr)
	}
	s.wantCleanStop(t)
}

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	t.Parallel()
	s := start(t, oneMinute)
	err := server.Run(t.Context(), server.Config{Listen: s.addr, Handler: http.NotFoundHandler(), State: server.NewState(), Log: silent})
	if want := fmt.Sprintf("listen tcp %s", s.addr); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v, want an error that names the operation and the address", err)
	}
}
