package rest_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"key-value/gateway/rest"
	"key-value/internal/testkit/wiretest"
)

// exchange is a request, byte for byte as it is sent, and the wanted response. Zero values are not checked, except the
// status.
type exchange struct {
	name    string
	request string   // method and target, such as "GET /v1/values/a%2Fb"
	header  []string // such as "Accept: */*"
	body    string

	status int
	answer string   // the whole body
	reason string   // of the problem
	detail string   // contained in the detail of the problem
	wants  []string // header lines of the response
}

// answer is a response with its body.
type answer struct {
	*http.Response
	text string
}

// problem is a body of application/problem+json.
type problem struct {
	Type, Title, Detail, Reason string
	Status                      int
	Metadata                    map[string]string
}

// start serves client over a real listener and returns its address.
func start(t testing.TB, client client, cfg rest.Config) string {
	t.Helper()
	server := httptest.NewServer(rest.New(client, cfg))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// run makes each exchange with a new fake.
func run(t *testing.T, exchanges []exchange) {
	t.Helper()
	runWith(t, exchanges, func(*testing.T) client { return newFake() })
}

func runWith(t *testing.T, exchanges []exchange, fresh func(*testing.T) client) {
	t.Helper()
	for _, e := range exchanges {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.check(t, send(t, start(t, fresh(t), rest.Config{MaxValueBytes: 1000}), e))
		})
	}
}

// send writes the request itself, because a client would normalize it.
func send(t testing.TB, addr string, e exchange) answer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := append([]string{e.request + " HTTP/1.1", "Host: " + addr, "Connection: close"}, e.header...)
	if e.body != "" && !strings.Contains(strings.Join(e.header, "\n"), "Transfer-Encoding") {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(e.body)))
	}
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+e.body); err != nil {
		t.Fatal(err)
	}
	return receive(t, conn, e)
}

func receive(t testing.TB, conn net.Conn, e exchange) answer {
	t.Helper()
	method, _, _ := strings.Cut(e.request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", e.request, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", e.request, err)
	}
	return answer{res, string(body)}
}

func (e exchange) check(t *testing.T, got answer) {
	t.Helper()
	if got.StatusCode != e.status {
		t.Fatalf("%s = %d %s, want %d", e.request, got.StatusCode, got.text, e.status)
	}
	if e.answer != "" && got.text != e.answer && masked(got.text) != e.answer {
		t.Errorf("%s answers %q, want %q", e.request, got.text, e.answer)
	}
	for _, line := range e.wants {
		name, want, _ := strings.Cut(line, ": ")
		if value := strings.Join(got.Header.Values(name), ", "); value != want {
			t.Errorf("%s answers %s: %q, want %q", e.request, name, value, want)
		}
	}
	if got.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s answers without nosniff", e.request)
	}
	if e.reason != "" {
		e.checkProblem(t, got)
	}
}

func (e exchange) checkProblem(t *testing.T, got answer) {
	t.Helper()
	if ct := got.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s answers Content-Type %q, want a problem", e.request, ct)
	}
	if got.ContentLength <= 0 {
		t.Errorf("%s answers Content-Length %d, want that of a problem", e.request, got.ContentLength)
	}
	if strings.HasPrefix(e.request, "HEAD ") {
		return
	}
	p := parseProblem(t, got.text)
	if p.Status != e.status || p.Reason != e.reason || p.Type != "urn:keyvalue:reason:"+e.reason || p.Title == "" {
		t.Errorf("%s answers %+v, want status %d and reason %s", e.request, p, e.status, e.reason)
	}
	if p.Detail == "" || !strings.Contains(p.Detail, e.detail) {
		t.Errorf("%s answers detail %q, want %q in it", e.request, p.Detail, e.detail)
	}
}

func parseProblem(t *testing.T, body string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("problem %q: %v", body, err)
	}
	return p
}

// inBubble runs test in a bubble of package synctest, with a real server and client but no network between them. setUp
// runs inside the bubble. The bubble waits for all goroutines to exit.
func inBubble(t *testing.T, setUp func(testing.TB) (client, rest.Config), test func(*testing.T, *http.Client, client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, cfg := setUp(t)
		test(t, wiretest.ServeInBubble(t, rest.New(client, cfg)), client)
	})
}

// with returns a setUp of a new service.
func with(cfg rest.Config) func(testing.TB) (client, rest.Config) {
	return func(t testing.TB) (client, rest.Config) { return newService(t), cfg }
}

const bubbleURL = "http://gateway/v1/values"

// TestMain checks that no goroutine outlives its request.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
