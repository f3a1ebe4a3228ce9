package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// TestTheSameOverTLS runs the tests of connections again, with TLS.
func TestTheSameOverTLS(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"each client is served by the right server":          TestEachClientIsServedByTheRightServer,
		"a client that begins with gRPC may send others":     TestAClientThatBeginsWithGRPCMaySendOtherRequests,
		"a request may arrive in any pieces":                 TestARequestMayArriveInAnyPieces,
		"a client may wait for SETTINGS":                     TestAClientMayWaitForSettings,
		"other requests are refused unprocessed":             TestOtherRequestsAreRefusedUnprocessed,
		"requests that no lane serves are answered by gRPC":  TestRequestsThatNoLaneServesAreAnsweredByGRPC,
		"a peer that mixes requests is served by net/http":   TestAPeerThatMixesRequestsIsServedByNetHTTP,
		"a connection that does not begin with gRPC may mix": TestAConnectionThatDoesNotBeginWithGRPCMayMixRequests,
		"a header list over 16 KiB is rejected":              TestAHeaderListOver16KiBIsRejected,
		"a connection may end in any way":                    TestAConnectionMayEndInAnyWay,
		"open calls finish before the server stops":          TestOpenCallsFinishBeforeTheServerStops,
		"a stream is told that the server stops":             TestAStreamIsToldThatTheServerStops,
		"a request that has begun is answered":               TestARequestThatHasBegunIsAnswered,
		"an idle connection is sent GOAWAY":                  TestAnIdleConnectionIsSentGoAway,
		"a gRPC call that takes too long is cut off":         TestAGRPCCallThatTakesTooLongIsCutOff,
		"no call is lost when the server stops":              TestNoCallIsLostWhenTheServerStops,
		"a server that is about to stop still answers":       TestAServerThatIsAboutToStopStillAnswers,
	} {
		t.Run(name, test)
	}
}

// serveTLS serves a handler that answers with the protocol of the request, and the TLS state that it sees.
func serveTLS(t *testing.T) (addr string) {
	url := wiretest.ServeTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
		if r.TLS != nil {
			_, _ = io.WriteString(w, " over "+tls.VersionName(r.TLS.Version)+" "+r.TLS.NegotiatedProtocol)
		}
	}), nil)
	return strings.TrimPrefix(url, "https://")
}

func TestALPNSelectsTheProtocol(t *testing.T) {
	t.Parallel()
	addr := serveTLS(t)
	for name, test := range map[string]struct {
		offer    []string
		newest   uint16
		agreed   string
		rejected bool
	}{
		"both":           {[]string{"h2", "http/1.1"}, 0, "h2", false},
		"both, TLS 1.2":  {[]string{"h2", "http/1.1"}, tls.VersionTLS12, "h2", false},
		"HTTP/1.1":       {[]string{"http/1.1"}, 0, "http/1.1", false},
		"HTTP/1.1 first": {[]string{"http/1.1", "h2"}, 0, "h2", false},
		"nothing":        {nil, 0, "", false},
		"something else": {[]string{"h3"}, 0, "", true},
		"TLS 1.1":        {nil, tls.VersionTLS11, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			config := wiretest.ClientTLS(t)
			config.NextProtos, config.MinVersion, config.MaxVersion = test.offer, tls.VersionTLS10, test.newest
			conn, err := tls.Dial("tcp", addr, config)
			if err != nil {
				if !test.rejected {
					t.Error(err)
				}
				return
			}
			defer conn.Close()
			state := conn.ConnectionState()
			if test.rejected || state.NegotiatedProtocol != test.agreed {
				t.Errorf("%q was selected, want %q, rejected: %v", state.NegotiatedProtocol, test.agreed, test.rejected)
			}
			if newest := test.newest == 0; newest != (state.Version == tls.VersionTLS13) {
				t.Errorf("%s was selected", tls.VersionName(state.Version))
			}
		})
	}
}

func TestHandlersSeeTheTLSState(t *testing.T) {
	t.Parallel()
	addr := serveTLS(t)
	for want, client := range map[string]*http.Client{
		"HTTP/2.0 over TLS 1.3 h2": wiretest.HTTPClient(t), "HTTP/1.1 over TLS 1.3 ": http1(t),
	} {
		res, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != want || err != nil {
			t.Errorf("the handler sees %q, %v; want %q", body, err, want)
		}
	}
}

func TestARequestWithoutTLSIsToldToUseIt(t *testing.T) {
	t.Parallel()
	addr := serveTLS(t)
	res, err := http.Post("http://"+addr, "text/plain", strings.NewReader(strings.Repeat("x", 1<<10)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "use https") {
		t.Errorf("POST = %d %q, %v; want 400 that names https", res.StatusCode, body, err)
	}
	p := wiretest.DialPeer(t, "http://"+addr)
	p.Greet()
	if answer, err := io.ReadAll(p.Conn); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("HTTP/2 was answered with %q, %v; want 400 in HTTP/1.1, which HTTP/2 clients recognize", answer, err)
	}
}

func TestAClientWithTLSGetsAnErrorFromAServerWithout(t *testing.T) {
	t.Parallel()
	url := wiretest.Serve(t, http.NotFoundHandler())
	_, err := wiretest.HTTPClient(t).Get("https://" + strings.TrimPrefix(url, "http://"))
	if err == nil || !strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		t.Errorf("GET = %v, want an error that says what happened", err)
	}
}

func TestAStalledHandshakeTimesOut(t *testing.T) {
	t.Parallel()
	hello := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	for name, write := range map[string]func(net.Conn){
		"nothing":             func(net.Conn) {},
		"half a ClientHello":  func(conn net.Conn) { _, _ = conn.Write(hello) },
		"a byte every second": func(conn net.Conn) { drip(conn, hello) },
		"no answer is read":   func(conn net.Conn) { sayHelloAndWait(conn) },
		"no request after it": func(conn net.Conn) { _ = tls.Client(conn, anyServer()).Handshake() },
	} {
		t.Run(name, func(t *testing.T) {
			config := wiretest.ServerTLS(t)
			synctest.Test(t, func(t *testing.T) {
				client, peer := net.Pipe()
				stop := server.ServeOn(&pipe{server: peer, taken: make(chan struct{})},
					server.Config{Handler: http.NotFoundHandler(), TLS: config, Plain: plain(t)})
				start := time.Now()
				done := make(chan struct{})
				go func() { defer close(done); write(client) }()
				<-done
				_, _ = io.Copy(io.Discard, client) // until the server closes it
				if took := time.Since(start); took < 10*time.Second || took > 20*time.Second {
					t.Errorf("the connection was closed after %v, want 10 s, or twice that with a handshake", took)
				}
				_ = client.Close()
				stop()
			})
		})
	}
}

func anyServer() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

func drip(conn net.Conn, hello []byte) {
	for i := range hello {
		time.Sleep(time.Second) // in a bubble
		if _, err := conn.Write(hello[i : i+1]); err != nil {
			return
		}
	}
}

// sayHelloAndWait sends a ClientHello and does not read the answer before the handshake has timed out.
func sayHelloAndWait(conn net.Conn) {
	client, recorder := net.Pipe()
	go func() { _ = tls.Client(client, anyServer()).Handshake() }()
	hello := make([]byte, 4<<10)
	n, _ := recorder.Read(hello)
	_ = recorder.Close()
	_, _ = conn.Write(hello[:n])
	time.Sleep(11 * time.Second) // in a bubble
}

// Clients that never finish the handshake must not keep others from being served. It counts goroutines, so it does not
// run in parallel to other tests.
func TestStalledHandshakesHoldUpNoOtherClient(t *testing.T) {
	const undecided = 256
	s := start(t, server.Config{TLS: wiretest.ServerTLS(t), Drain: time.Minute, Bounds: server.Bounds{Undecided: undecided}})
	before := runtime.NumGoroutine()
	var idle []net.Conn
	for range undecided + 200 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	for _, lane := range lanes {
		if got := callWho(t, lane.transport(t, s.url)); got == "" {
			t.Errorf("a call on lane %s among many handshakes failed", lane.name)
		}
	}
	if n := runtime.NumGoroutine() - before; n > 2*len(idle) {
		t.Errorf("%d connections hold %d goroutines", len(idle), n)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	for len(idle) > 0 && runtime.NumGoroutine() > before+100 {
		runtime.Gosched() // until all are gone
	}
	s.wantCleanStop(t)
}
