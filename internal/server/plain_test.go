package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"key-value/internal/server"
	"key-value/internal/testkit/wiretest"
)

// TestTheSameByNetHTTPAlone runs the tests of HTTP/1.1 again, without the plain lane.
func TestTheSameByNetHTTPAlone(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"a stalled body times out":                          TestAStalledBodyTimesOut,
		"stalled headers time out":                          TestStalledHeadersTimeOut,
		"a reader that stops reading times out":             TestAReaderThatStopsReadingTimesOut,
		"a stream may be silent for hours":                  TestAStreamMayBeSilentForHours,
		"a response of one write may be read slowly":        TestAResponseOfOneWriteMayBeReadSlowly,
		"headers over 16 KiB are rejected":                  TestHeadersOver16KiBAreRejected,
		"each client is served by the right server":         TestEachClientIsServedByTheRightServer,
		"a body that is slow but steady is read":            TestABodyThatIsSlowButSteadyIsRead,
		"a reader that is slow but steady gets all":         TestAReaderThatIsSlowButSteadyGetsAll,
		"a sender below the least rate is given up":         TestASenderBelowTheLeastRateIsGivenUp,
		"a reader below the least rate is given up":         TestAReaderBelowTheLeastRateIsGivenUp,
		"a stalled connection is closed":                    TestAStalledConnectionIsClosed,
		"two lengths never make a second request":           TestTwoLengthsNeverMakeASecondRequest,
		"a body that is not read is never a request":        TestABodyThatIsNotReadIsNeverARequest,
		"an upgrade to HTTP/2 is never made":                TestAnUpgradeToHTTP2IsNeverMade,
		"open calls finish before the server stops":         TestOpenCallsFinishBeforeTheServerStops,
		"a call that takes too long is cut off":             TestACallThatTakesTooLongIsCutOff,
		"a stream is told that the server stops":            TestAStreamIsToldThatTheServerStops,
		"a request that has begun is answered":              TestARequestThatHasBegunIsAnswered,
		"no call is lost when the server stops":             TestNoCallIsLostWhenTheServerStops,
		"a server that is about to stop still answers":      TestAServerThatIsAboutToStopStillAnswers,
		"a response during the drain delay closes":          TestAResponseDuringTheDrainDelayClosesItsConnection,
		"a full server stops":                               TestAFullServerStops,
		"probes are answered beside a full table":           TestProbesAreAnsweredBesideAFullTable,
		"connections of callers give way last":              TestConnectionsOfAuthenticatedCallersGiveWayLast,
		"the caller behind a trusted proxy is known":        TestTheCallerBehindATrustedProxyIsKnown,
		"a request without TLS is told to use it":           TestARequestWithoutTLSIsToldToUseIt,
		"a stalled handshake times out":                     TestAStalledHandshakeTimesOut,
		"a response is what net/http would send":            TestResponsesAreThoseOfNetHTTP,
		"a request is cancelled when its caller goes":       TestARequestIsCancelledWhenItsCallerGoes,
		"what a handler left behind is not seen again":      TestWhatAHandlerLeftBehindIsNotSeenAgain,
		"nothing that a handler keeps of a request changes": TestNothingThatAHandlerKeepsChanges,
	} {
		t.Run(name, test)
	}
}

// answers are handlers, each by what it does.
var answers = map[string]http.HandlerFunc{
	"nothing":       func(http.ResponseWriter, *http.Request) {},
	"a short text":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
	"HTML":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><body>") },
	"an empty text": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "") },
	"several writes": func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			_, _ = io.WriteString(w, "hello ")
		}
	},
	"a long text": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("0123456789", 30_000))
	},
	"a long text with its length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "300000")
		_, _ = io.WriteString(w, strings.Repeat("0123456789", 30_000))
	},
	"a long text in many writes": func(w http.ResponseWriter, _ *http.Request) {
		for range 3000 {
			_, _ = io.WriteString(w, strings.Repeat("0123456789", 10))
		}
	},
	"flushed": func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
		}
	},
	"flushed before the body": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "event\n")
	},
	"flushed with its length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "event\n")
	},
	"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"no content, with a body": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusNoContent)
		if _, err := io.WriteString(w, "hello"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"not modified": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNotModified)
	},
	"an error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", http.StatusNotFound) },
	"an unknown status": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(599)
	},
	"headers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		w.Header().Add("X-Several", "1")
		w.Header().Add("X-Several", "2")
		w.Header().Set("X-Newline", "a\r\nX-Injected: b")
		w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
		_, _ = io.WriteString(w, "x")
		w.Header().Set("X-Late", "is not sent")
	},
	"closing": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	},
	"an encoding": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "x")
	},
	"more than its length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
		if _, err := io.WriteString(w, "!"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	},
	"less than its length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hell")
	},
	"a panic":                   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"a panic after the head":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic(http.ErrAbortHandler) },
	"a panic within the stream": abortStream,
	"the body": func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %v", body, err)
	},
}

func abortStream(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "hello")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// answer is a response as its caller sees it.
type answer struct {
	status   string
	header   http.Header
	length   int64
	encoding []string
	close    bool
	body     string
	cut      bool // whether the body ended early
	none     bool // whether there is no response
	again    bool // whether the connection served another request
}

func TestResponsesAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	for name, handler := range answers {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			t.Run(name+" to "+method, func(t *testing.T) {
				t.Parallel()
				got := askTwice(t, start(t, server.Config{Handler: handler}).addr, method)
				want := askTwice(t, strings.TrimPrefix(serveByNetHTTP(t, handler), "http://"), method)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("the response is\n%+v, want\n%+v", got, want)
				}
			})
		}
	}
}

// serveByNetHTTP serves a handler by net/http, without anything of ours.
func serveByNetHTTP(t *testing.T, handler http.Handler) (url string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + listener.Addr().String()
}

// askTwice sends a request, and another one after it.
func askTwice(t *testing.T, addr, method string) answer {
	conn := dialTCP(t, addr)
	body := ""
	if method == http.MethodPost {
		body = "the body"
	}
	reader := bufio.NewReader(conn)
	ask := func() (*http.Response, error) {
		fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
		return http.ReadResponse(reader, &http.Request{Method: method})
	}
	res, err := ask()
	if err != nil {
		return answer{none: true}
	}
	content, err := io.ReadAll(res.Body)
	a := answer{
		status: res.Status, header: maps.Clone(res.Header), length: res.ContentLength, encoding: res.TransferEncoding,
		close: res.Close, body: string(content), cut: err != nil,
	}
	if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
		t.Errorf("the date is %v", err)
	}
	if !strings.HasPrefix(a.header.Get("Date"), "Thu, 01 Jan 1970") {
		a.header.Del("Date")
	}
	_, err = ask()
	a.again = err == nil
	return a
}

func TestARequestIsCancelledWhenItsCallerGoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tls   bool
		after string         // follows the request
		leave func(net.Conn) // nil: closes the connection
	}{
		"closes":                     {},
		"closes TLS":                 {tls: true},
		"resets":                     {leave: func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }},
		"stops sending":              {leave: func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }},
		"has sent a part of another": {after: "GET /"},
	} {
		t.Run("a caller that "+name, func(t *testing.T) {
			t.Parallel()
			began, ended := make(chan bool, 1), make(chan error, 1)
			cfg := server.Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				began <- true
				<-r.Context().Done()
				ended <- context.Cause(r.Context())
			})}
			if test.tls {
				cfg.TLS = wiretest.ServerTLS(t)
			}
			if test.after != "" && !plain(t) {
				t.Skip("net/http does not notice it")
			}
			s := start(t, cfg)
			conn := dialTCP(t, s.addr)
			if test.tls {
				config := wiretest.ClientTLS(t).Clone()
				config.NextProtos, config.ServerName = nil, "127.0.0.1" // not HTTP/2
				conn = tls.Client(conn, config)
			}
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n%s", test.after)
			select {
			case <-began:
			case <-time.After(time.Minute):
				t.Fatal("the request was not served")
			}
			if test.leave == nil {
				_ = conn.Close()
			} else {
				test.leave(conn)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the request ended with %v, want that it was cancelled", err)
				}
			case <-time.After(time.Minute):
				t.Error("the request was not cancelled")
			}
		})
	}
}

// Handlers may change what they are given.
func TestWhatAHandlerLeftBehindIsNotSeenAgain(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 2)
	s := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- fmt.Sprint(r.Method, r.URL, r.Host, r.Header, r.ContentLength, r.Form, r.Pattern, w.Header(), string(body))
		r.Method, r.URL.Path, r.Host, r.Pattern = "LEFT", "/behind", "left", "behind"
		r.Header.Set("Left", "behind")
		r.Header["Accept"] = append(r.Header["Accept"], "behind")
		_ = r.ParseForm()
		w.Header().Set("Left", "behind")
		_, _ = io.WriteString(w, "left")
	})})
	conn := dialTCP(t, s.addr)
	reader := bufio.NewReader(conn)
	for _, accept := range []string{"long/enough-to-have-been-left-behind", "b"} {
		fmt.Fprintf(conn, "GET /a?left=%s HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n", accept, accept)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
	<-seen
	if got, want := <-seen, "GET/a?left=bamap[Accept:[b]] 0 map[]map[]"; got != want {
		t.Errorf("the second request was %s, want %s", got, want)
	}
}

func TestNothingThatAHandlerKeepsChanges(t *testing.T) {
	t.Parallel()
	type kept struct {
		ctx                          context.Context
		method, path, query, host, h string
		values                       []string
		body                         io.Reader
	}
	var all []kept
	s := start(t, server.Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		all = append(all, kept{r.Context(), r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.Header.Get("X-Id"), r.Header["X-Id"], r.Body})
	})})
	conn := dialTCP(t, s.addr)
	reader := bufio.NewReader(conn)
	for i := range 3 {
		fmt.Fprintf(conn, "PUT /path-%d?query-%d HTTP/1.1\r\nHost: host-%d\r\nX-Id: id-%d\r\nContent-Length: 6\r\n\r\nbody-%d", i, i, i, i, i)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
	for i, k := range all {
		got := fmt.Sprint(k.path, k.query, k.host, k.h, k.values)
		if want := fmt.Sprintf("/path-%dquery-%dhost-%did-%d[id-%d]", i, i, i, i, i); got != want {
			t.Errorf("what was kept of request %d is %s, want %s", i, got, want)
		}
		<-k.ctx.Done()
		if n, err := k.body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("its body gave %d bytes after the request: %v", n, err)
		}
	}
}
