package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"key-value/internal/server"
)

// fixture is a server under test.
type fixture struct {
	addr  string
	state *server.State
	stop  context.CancelFunc
	done  chan error // what Run returned
}

func start(t *testing.T, drain time.Duration, handler http.Handler) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &fixture{state: server.NewState(), stop: cancel, done: make(chan error, 1)}
	started := make(chan string, 1)
	go func() {
		s.done <- server.Run(ctx, server.Config{
			Listen: "127.0.0.1:0", Handler: server.Probes(s.state, func(context.Context) bool { return true }, handler),
			State: s.state, Drain: drain, Log: slog.New(slog.DiscardHandler), Started: func(addr string) { started <- addr },
		})
	}()
	select {
	case s.addr = <-started:
	case err := <-s.done:
		t.Fatalf("Run = %v", err)
	}
	t.Cleanup(cancel)
	return s
}

// h2c returns a client that speaks HTTP/2 without TLS.
func h2c(t *testing.T) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestACallUnderWayIsFinishedBeforeTheServerStops(t *testing.T) {
	for name, client := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{}}, "HTTP/2": h2c(t)} {
		t.Run(name, func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			s := start(t, time.Minute, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(entered)
				<-release
				_, _ = io.WriteString(w, "done")
			}))
			answer := make(chan string, 1)
			go func() {
				res, err := client.Get("http://" + s.addr + "/slow")
				if err != nil {
					answer <- err.Error()
					return
				}
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				answer <- string(body)
			}()
			<-entered
			s.stop()
			<-s.state.Stopping().Done()
			select {
			case err := <-s.done:
				t.Fatalf("Run returned %v while a call was under way", err)
			default:
			}
			close(release)
			if got := <-answer; got != "done" {
				t.Errorf("the call under way got %q, want its answer", got)
			}
			if err := <-s.done; err != nil {
				t.Errorf("Run = %v after a clean stop, want nil", err)
			}
		})
	}
}

func TestACallThatTakesTooLongIsCutOff(t *testing.T) {
	entered, cut := make(chan struct{}), make(chan struct{})
	s := start(t, time.Millisecond, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(cut)
	}))
	go func() {
		res, err := http.Get("http://" + s.addr)
		if err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	s.stop()
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Run = %v, want it to say that calls were cut off", err)
	}
	<-cut
}

func TestAStreamHearsThatTheServerStops(t *testing.T) {
	var s *fixture
	entered := make(chan struct{})
	ready := make(chan struct{})
	s = start(t, time.Minute, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-ready
		close(entered)
		<-s.state.Stopping().Done()
		_, _ = io.WriteString(w, "last words")
	}))
	close(ready)
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + s.addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-entered
	s.stop()
	if got := <-answer; got != "last words" {
		t.Errorf("the stream got %q, want its last words", got)
	}
	if err := <-s.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestHeadersOver16KiBAreRefused(t *testing.T) {
	s := start(t, 0, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for length, want := range map[int]int{
		15 << 10: http.StatusOK, 16<<10 + 1: http.StatusRequestHeaderFieldsTooLarge,
		19 << 10: http.StatusRequestHeaderFieldsTooLarge, 32 << 10: http.StatusRequestHeaderFieldsTooLarge,
	} {
		for name, change := range map[string]func(*http.Request, string){
			"a header":         func(r *http.Request, text string) { r.Header.Set("X-Large", text) },
			"the request line": func(r *http.Request, text string) { r.URL.Path = "/" + text },
		} {
			req, err := http.NewRequest(http.MethodGet, "http://"+s.addr, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			change(req, strings.Repeat("x", length))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s of %d bytes got %d, want %d", name, length, res.StatusCode, want)
			}
		}
	}
}

func TestProbes(t *testing.T) {
	ready, state := false, server.NewState()
	probed := httptest.NewServer(server.Probes(state, func(context.Context) bool { return ready }, http.NotFoundHandler()))
	t.Cleanup(probed.Close)
	expect := func(method, path string, want int) {
		t.Helper()
		req, err := http.NewRequest(method, probed.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s %s = %d, want %d", method, path, res.StatusCode, want)
		}
	}
	for _, path := range []string{"/health", "/livez"} {
		expect(http.MethodGet, path, http.StatusOK)
		expect(http.MethodHead, path, http.StatusOK)
		expect(http.MethodPost, path, http.StatusMethodNotAllowed)
	}
	expect(http.MethodGet, "/readyz", http.StatusServiceUnavailable)
	ready = true
	expect(http.MethodGet, "/readyz", http.StatusOK)
	expect(http.MethodGet, "/elsewhere", http.StatusNotFound)
}

// What a load balancer sends until it has noticed is answered, and what it holds open comes back elsewhere.
func TestAServerThatIsAboutToStopStillAnswers(t *testing.T) {
	s := start(t, time.Minute, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old := &http.Client{Transport: &http.Transport{}}
	get := func(c *http.Client, path string) *http.Response {
		t.Helper()
		res, err := c.Get("http://" + s.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	if res := get(old, "/"); res.Close {
		t.Error("a server that runs closes the connection")
	}
	server.Drain(s.state)
	if res := get(old, "/readyz"); res.StatusCode != http.StatusServiceUnavailable || !res.Close {
		t.Errorf("/readyz = %s, closing %t; want 503 on a connection that is closed", res.Status, res.Close)
	}
	for name, client := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{}}, "HTTP/2": h2c(t)} {
		if res := get(client, "/"); res.StatusCode != http.StatusOK {
			t.Errorf("a new connection by %s gets %s, want an answer", name, res.Status)
		}
	}
	if s.state.Stopping().Err() != nil {
		t.Error("watches have ended before the server stops")
	}
}
