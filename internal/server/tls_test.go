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

	"connectrpc.com/connect/v2/connecthttp"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// TestTheSameOverTLS runs the tests of connections again, on such that have TLS.
func TestTheSameOverTLS(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"each client is served by the right server":   TestEachClientIsServedByTheRightServer,
		"a client that begins with gRPC may ask more": TestAClientThatBeginsWithGRPCMayAskForMore,
		"a request may come in any pieces":            TestARequestMayComeInAnyPieces,
		"a client may wait for the server":            TestAClientMayWaitForTheServer,
		"what is not gRPC is refused unseen":          TestWhatIsNotGRPCIsRefusedWithoutBeingLookedAt,
		"a header list over 16 KiB is refused":        TestAHeaderListOver16KiBIsRefused,
		"a connection may end in any way":             TestAConnectionMayEndInAnyWay,
		"a gRPC stream hears that the server stops":   TestAGRPCStreamHearsThatTheServerStops,
		"a request that has begun is answered":        TestARequestThatHasBegunIsAnswered,
		"an idle connection is sent away":             TestAnIdleConnectionIsSentAway,
		"a gRPC call that takes too long is cut off":  TestAGRPCCallThatTakesTooLongIsCutOff,
		"no call is lost when the server stops":       TestNoCallIsLostWhenTheServerStops,
		"what nobody serves is answered by gRPC":      TestWhatNobodyServesIsAnsweredByGRPC,
	} {
		t.Run(name, test)
	}
}

func overTLS(t *testing.T) bool { return strings.HasPrefix(t.Name(), "TestTheSameOverTLS/") }

// serveTLS serves a handler that says how it was asked: by which protocol, and whether it knows of TLS.
func serveTLS(t *testing.T) (addr string) {
	url := wiretest.ServeTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
		if r.TLS != nil {
			_, _ = io.WriteString(w, " over "+tls.VersionName(r.TLS.Version)+" "+r.TLS.NegotiatedProtocol)
		}
	}), nil)
	return strings.TrimPrefix(url, "https://")
}

func TestTheProtocolIsAgreedOnByALPN(t *testing.T) {
	addr := serveTLS(t)
	for name, test := range map[string]struct {
		offer     []string
		newest    uint16
		agreed    string
		isRefused bool
	}{
		"both":              {[]string{"h2", "http/1.1"}, 0, "h2", false},
		"both, by TLS 1.2":  {[]string{"h2", "http/1.1"}, tls.VersionTLS12, "h2", false},
		"HTTP/1.1":          {[]string{"http/1.1"}, 0, "http/1.1", false},
		"HTTP/1.1 at first": {[]string{"http/1.1", "h2"}, 0, "h2", false},
		"nothing":           {nil, 0, "", false},
		"something else":    {[]string{"h3"}, 0, "", true},
		"TLS 1.1":           {nil, tls.VersionTLS11, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			config := wiretest.ClientTLS(t)
			config.NextProtos, config.MinVersion, config.MaxVersion = test.offer, tls.VersionTLS10, test.newest
			conn, err := tls.Dial("tcp", addr, config)
			if err != nil {
				if !test.isRefused {
					t.Error(err)
				}
				return
			}
			defer conn.Close()
			state := conn.ConnectionState()
			if test.isRefused || state.NegotiatedProtocol != test.agreed {
				t.Errorf("%q was agreed on, want %q, refused: %v", state.NegotiatedProtocol, test.agreed, test.isRefused)
			}
			if newest := test.newest == 0; newest != (state.Version == tls.VersionTLS13) {
				t.Errorf("%s was agreed on", tls.VersionName(state.Version))
			}
		})
	}
}

func TestHandlersKnowOfTLS(t *testing.T) {
	addr := serveTLS(t)
	http1 := &http.Client{Transport: &http.Transport{TLSClientConfig: wiretest.ClientTLS(t)}}
	t.Cleanup(http1.CloseIdleConnections)
	for want, client := range map[string]*http.Client{
		"HTTP/2.0 over TLS 1.3 h2": wiretest.HTTPClient(t), "HTTP/1.1 over TLS 1.3 ": http1,
	} {
		res, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != want || err != nil {
			t.Errorf("the handler says %q, %v; want %q", body, err, want)
		}
	}
}

func TestARequestWithoutTLSIsToldSo(t *testing.T) {
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
		t.Errorf("HTTP/2 was answered with %q, %v; want 400 in HTTP/1.1, which clients of HTTP/2 know to name", answer, err)
	}
}

func TestTLSWhereThereIsNoneIsToldSo(t *testing.T) {
	url := wiretest.Serve(t, http.NotFoundHandler())
	_, err := wiretest.HTTPClient(t).Get("https://" + strings.TrimPrefix(url, "http://"))
	if err == nil || !strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		t.Errorf("GET = %v, want it to say what came", err)
	}
}

func TestAHandshakeThatDoesNotGoOnIsGivenUp(t *testing.T) {
	hello := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	for name, write := range map[string]func(net.Conn){
		"nothing comes":        func(net.Conn) {},
		"half a ClientHello":   func(conn net.Conn) { _, _ = conn.Write(hello) },
		"a byte every second":  func(conn net.Conn) { drip(conn, hello) },
		"no answer is read":    func(conn net.Conn) { deaf(conn) },
		"no request behind it": func(conn net.Conn) { _ = tls.Client(conn, anyServer()).Handshake() },
	} {
		t.Run(name, func(t *testing.T) {
			config := wiretest.ServerTLS(t)
			synctest.Test(t, func(t *testing.T) {
				client, peer := net.Pipe()
				stop := server.ServeOn(&pipe{server: peer, taken: make(chan struct{})},
					server.Config{Handler: http.NotFoundHandler(), TLS: config})
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

// deaf says hello and reads no answer until it must be over.
func deaf(conn net.Conn) {
	client, recorder := net.Pipe()
	go func() { _ = tls.Client(client, anyServer()).Handshake() }()
	hello := make([]byte, 4<<10)
	n, _ := recorder.Read(hello)
	_ = recorder.Close()
	_, _ = conn.Write(hello[:n])
	time.Sleep(11 * time.Second) // in a bubble
}

// Peers who never finish a handshake must not keep those out who do, nor may they stay.
func TestManyWhoDoNotShakeHandsKeepNobodyOut(t *testing.T) {
	b := startBothWith(t, time.Minute, wiretest.ServerTLS(t))
	before := runtime.NumGoroutine()
	var idle []net.Conn
	for range 1500 { // more than are looked at
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	for _, option := range []connecthttp.Option{connecthttp.WithGRPC(), connecthttp.WithGRPCWeb()} {
		if got := askWho(t, connecthttp.NewTransport(wiretest.HTTPClient(t), b.url, option)); got == "" {
			t.Error("a call among many handshakes failed")
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
	b.stop()
	if err := <-b.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
