package plainlane_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"key-value/internal/server/lane"
	"key-value/internal/server/plainlane"
	"key-value/internal/server/sniff"
)

// seen is what a server makes of a request.
type seen struct {
	Method, Target, Proto, Host string
	URL                         url.URL
	Header                      http.Header
	Length                      int64
	Body                        string
	Cut                         bool // whether the body ended early
}

func see(r *http.Request) seen {
	body, err := io.ReadAll(r.Body)
	u := *r.URL
	return seen{r.Method, r.RequestURI, r.Proto, r.Host, u, r.Header.Clone(), r.ContentLength, string(body), err != nil}
}

// byNetHTTP returns what net/http makes of the first n requests of input, and what follows them. It returns an error if
// net/http would refuse one of them, or if a less careful reader might read it in another way.
func byNetHTTP(input []byte, n int) (all []seen, rest string, err error) {
	source := bytes.NewReader(input)
	reader := bufio.NewReader(source)
	position := func() int { return len(input) - source.Len() - reader.Buffered() }
	for range n {
		begin := position()
		r, err := http.ReadRequest(reader)
		if err != nil {
			return all, "", err
		}
		if err := errors.Join(acceptable(r), strict(input[begin:position()])); err != nil {
			return all, "", err
		}
		all = append(all, see(r))
		if next, _ := reader.Peek(2); r.Method == http.MethodPost && string(next) == "\r\n" {
			_, _ = reader.Discard(2) // its server skips an empty line after a POST
		}
	}
	left, err := io.ReadAll(reader)
	return all, string(left), err
}

// acceptable makes the checks that net/http's server makes after [http.ReadRequest].
func acceptable(r *http.Request) error {
	if r.Host == "" || !httpguts.ValidHostHeader(r.Host) {
		return fmt.Errorf("host %q", r.Host)
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("header %q", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("header %s: %q", name, value)
			}
		}
	}
	return nil
}

// strictHead is the form of a head in which all readers agree, except for the names of its headers.
var strictHead = regexp.MustCompile("^[A-Z]+ /[!-~]* HTTP/1\\.1\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~\t]*\r\n)+\r\n$")

// strict returns an error if a head is not of that form, or has a header twice, or one that changes how requests are read.
func strict(head []byte) error {
	if !strictHead.Match(head) {
		return fmt.Errorf("%q is not strict", head)
	}
	names := map[string]bool{"transfer-encoding": true, "expect": true, "upgrade": true, "trailer": true, "te": true}
	for line := range strings.Lines(string(head)) {
		name, _, ok := strings.Cut(strings.ToLower(line), ":")
		if ok && !strings.Contains(name, " ") && names[name] {
			return fmt.Errorf("header %s", name)
		}
		names[name] = true
	}
	return nil
}

// script is a connection from which input is read in pieces of at most size bytes.
type script struct {
	net.Conn
	input []byte
	size  int

	mu     sync.Mutex
	output bytes.Buffer // guarded by mu
	writes int          // guarded by mu
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.input) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.size)], s.input)
	s.input = s.input[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.output.Write(p)
}

func (*script) Close() error                     { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }
func (*script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// byLane returns what a lane makes of input that arrives in pieces of size bytes: the requests that it serves, and what it
// hands over.
func byLane(input []byte, size int, change func(*plainlane.Lane)) (all []seen, rest string, handedOver bool, conn *script) {
	conn = &script{input: bytes.Clone(input), size: size}
	l := plainlane.New(plainlane.Config{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { all = append(all, see(r)) }),
		Bounds:  lane.Bounds{}.WithDefaults(),
		Running: func() bool { return true },
		HandOver: func(c *sniff.Conn) {
			left, _ := io.ReadAll(c)
			rest, handedOver = string(left), true
		},
		Log: slog.New(slog.DiscardHandler),
	})
	if change != nil {
		change(l)
	}
	l.ServeConn(&sniff.Conn{Conn: conn})
	return all, rest, handedOver, conn
}

// differ returns how what the lane makes of input differs from what net/http does, or "".
func differ(input []byte, size int, change func(*plainlane.Lane)) string {
	got, rest, handedOver, conn := byLane(input, size, change)
	want, wantRest, err := byNetHTTP(input, len(got))
	switch {
	case err != nil:
		return fmt.Sprintf("the lane served %d requests, of which one is not plain: %v", len(got), err)
	case !reflect.DeepEqual(got, want):
		return fmt.Sprintf("the lane served\n%+v\nwhere net/http would\n%+v", got, want)
	case handedOver && rest != wantRest:
		return fmt.Sprintf("%q was handed over, want %q", rest, wantRest)
	case !handedOver && wantRest != "":
		return fmt.Sprintf("%q was not handed over", wantRest)
	}
	return misanswered(got, conn.output.Bytes())
}

// misanswered returns what is wrong with the responses to requests, or "".
func misanswered(requests []seen, output []byte) string {
	reader := bufio.NewReader(bytes.NewReader(output))
	for _, r := range requests {
		res, err := http.ReadResponse(reader, &http.Request{Method: r.Method})
		if err != nil {
			return fmt.Sprintf("the response to %s %s: %v", r.Method, r.Target, err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || len(body) != 0 {
			return fmt.Sprintf("the response to %s %s is %s %q, %v", r.Method, r.Target, res.Status, body, err)
		}
	}
	if left, _ := io.ReadAll(reader); len(left) != 0 {
		return fmt.Sprintf("%q follows the last response", left)
	}
	return ""
}

// get is a plain request.
const get = "GET /v1/values/a HTTP/1.1\r\nHost: h\r\n\r\n"

// requests are inputs of one request or more.
var requests = []string{
	"",
	"\r\n",
	get,
	get + get + get,
	"PUT /v1/values/a?ttl=60s HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello" + get,
	"POST / HTTP/1.1\r\nhost: [::1]:80\r\ncontent-length: 0\r\nx-api-key: secret\r\n\r\n\r\n" + get,
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx\r\n" + get,
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nshort",
	"HEAD /a//b/../c;x=1,2:3@4&5=6+7$8~9 HTTP/1.1\r\nHost: h\r\nAccept:\t */* \r\nUser-Agent:curl\r\n\r\n",
	"GET /a%2Fb%20c?x=%zz&y=%41#z HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /a\"<>[]{}|^`\\ HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET //host/path HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /? HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /?? HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /:80 HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n",
	"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
	"BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n",
	"get / HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
	"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.1\nHost: h\n\n",
	"GET / HTTP/1.1\r\nHost: h\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\n\n",
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 2\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n 2\r\n\r\n",
	"GET / HTTP/1.1\r\n A: 1\r\nHost: h\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA : 1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA(: 1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA: \x80\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nA: a\rb\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nx_y-z: 1\r\n!#$: 2\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n" + get,
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + get,
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nPragma: no-cache\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\nhello" + get,
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 \r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\nhello",
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get,
	"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get,
	"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("x", 5000) + "\r\n\r\n",
	"GET /" + strings.Repeat("x", 2000) + " HTTP/1.1\r\nHost: h\r\n\r\n" + get,
	"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("0123456789", 900) + get,
	"GET / HTTP/1.1\r\nHost: h\r\n\r\nGARBAGE\r\n\r\n",
	"GET / HTTP/1.1\r\nHo",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

// sizes are those of the pieces in which input arrives.
var sizes = []int{1, 2, 3, 7, 61, 1000, 1 << 20}

func TestTheLaneReadsWhatItServesAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	served := 0
	for _, input := range requests {
		for _, size := range sizes {
			if difference := differ([]byte(input), size, nil); difference != "" {
				t.Errorf("%q in pieces of %d bytes: %s", input, size, difference)
			}
		}
		all, _, _, _ := byLane([]byte(input), 1<<20, nil)
		served += len(all)
	}
	if served < 20 {
		t.Errorf("the lane served %d requests, so few that little was compared", served)
	}
}

// A pair of any two inputs.
func TestTheLaneHandsOverAtAnyRequest(t *testing.T) {
	t.Parallel()
	for _, first := range requests {
		for _, second := range requests {
			if difference := differ([]byte(first+second), 1<<20, nil); difference != "" {
				t.Errorf("%q, then %q: %s", first, second, difference)
			}
		}
	}
}

func TestTheComparisonFindsLanesThatReadWrongly(t *testing.T) {
	t.Parallel()
	for name, bug := range plainlane.Bugs {
		found := false
		for _, input := range requests {
			for _, size := range sizes {
				found = found || differ([]byte(input), size, bug) != ""
			}
		}
		if !found {
			t.Errorf("a lane that %s was not found", name)
		}
	}
}

func FuzzTheLaneReadsWhatItServesAsNetHTTPDoes(f *testing.F) {
	for _, input := range requests {
		f.Add([]byte(input), uint16(7))
		f.Add([]byte(get+input), uint16(1<<15))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		if difference := differ(input, int(size)+1, nil); difference != "" {
			t.Error(difference)
		}
	})
}

// Plain requests are those of the clients that people use.
func TestWhatClientsSendIsPlain(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"curl": "PUT /v1/values HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nx-api-key: secret\r\n" +
			"content-type: application/json\r\nContent-Length: 23\r\n\r\n{\"key\":\"a\",\"value\":\"b\"}",
		"a browser": "GET /v1/values/a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\nsec-ch-ua-platform: \"Linux\"\r\n" +
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nAccept-Encoding: gzip, deflate, br\r\n" +
			"Cookie: a=b; c=d\r\nx-api-key: secret\r\n\r\n",
		"Go": "POST /keyvalue.v1.KeyValueService/Get HTTP/1.1\r\nHost: h\r\nUser-Agent: connect-go/2.0.2\r\nContent-Length: 2\r\n" +
			"Connect-Protocol-Version: 1\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{}",
	} {
		all, _, handedOver, _ := byLane([]byte(input), 1<<20, nil)
		if len(all) != 1 || handedOver {
			t.Errorf("what %s sends is handed over", name)
		}
	}
}

func TestRequestsThatCameTogetherAreAnsweredTogether(t *testing.T) {
	t.Parallel()
	all, _, _, conn := byLane([]byte(strings.Repeat(get, 10)), 1<<20, nil)
	if len(all) != 10 || conn.writes != 1 {
		t.Errorf("%d requests were answered in %d writes, want 10 in one", len(all), conn.writes)
	}
}
