package cli

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"key-value/internal/testkit/wiretest"
)

const (
	service   = "/keyvalue.v1.KeyValueService/"
	watchPath = service + "Watch"
	setPath   = service + "Set"
)

// wire is a protocol and a way to the lane that serves it.
type wire struct {
	name    string
	family  string // "grpc", "connect stream", "connect" or "get"
	content string // content type of a message in protobuf
	path    string
	client  func(t *testing.T, url string) *http.Client
}

// mistakeWires are all protocols on every lane that serves them.
var mistakeWires = []wire{
	{"gRPC on grpc-go", "grpc", "application/grpc", getPath, overHTTP2},
	{"gRPC on grpc-go, after another call", "grpc", "application/grpc", getPath, overUsedHTTP2},
	{"gRPC on net/http", "grpc", "application/grpc", getPath, overMixedHTTP2},
	{"a gRPC stream on grpc-go", "grpc", "application/grpc+proto", watchPath, overHTTP2},
	{"a gRPC stream on net/http", "grpc", "application/grpc+proto", watchPath, overMixedHTTP2},
	{"gRPC-Web over HTTP/2", "grpc", "application/grpc-web", getPath, overHTTP2},
	{"gRPC-Web over HTTP/1.1", "grpc", "application/grpc-web+proto", getPath, overHTTP1},
	{"a gRPC-Web stream over HTTP/1.1", "grpc", "application/grpc-web+proto", watchPath, overHTTP1},
	{"a Connect stream over HTTP/2", "connect stream", "application/connect+proto", watchPath, overHTTP2},
	{"a Connect stream over HTTP/1.1", "connect stream", "application/connect+proto", watchPath, overHTTP1},
	{"Connect over HTTP/2", "connect", "application/proto", getPath, overHTTP2},
	{"Connect over HTTP/1.1", "connect", "application/proto", getPath, overHTTP1},
	{"a Connect GET over HTTP/2", "get", "", getPath, overHTTP2},
	{"a Connect GET over HTTP/1.1", "get", "", getPath, overHTTP1},
}

func overHTTP1(t *testing.T, _ string) *http.Client {
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func overHTTP2(t *testing.T, _ string) *http.Client { return wiretest.HTTPClient(t) }

// overUsedHTTP2 returns a client whose connection is that of an earlier call, which grpc-go serves.
func overUsedHTTP2(t *testing.T, url string) *http.Client {
	client := wiretest.HTTPClient(t)
	good := mistake{path: service + "Touch", body: message(0, 0, "")}
	wire := wire{family: "grpc", content: "application/grpc", client: func(*testing.T, string) *http.Client { return client }}
	if got := good.send(t, url, wire); got.reason != "KEY_INVALID" {
		t.Fatalf("a call without a key ended with %+v", got)
	}
	return client
}

// overMixedHTTP2 returns a client whose connection did not begin with gRPC, so that net/http serves it.
func overMixedHTTP2(t *testing.T, url string) *http.Client {
	client := wiretest.HTTPClient(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Via", "2 test") // otherwise the server would remember that the address mixes
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return client
}

// mistake is a request that breaks a rule of its protocol, and what it must be answered with.
type mistake struct {
	name     string
	families string // that it is made in
	path     string // empty: that of the wire
	query    string
	header   []string // names and values in alternation
	body     string
	code     connect.Code
	reason   string
	message  string // part of the message
}

// message returns a message with its prefix.
func message(flags byte, declared int, data string) string {
	prefix := binary.BigEndian.AppendUint32([]byte{flags}, uint32(declared))
	return string(prefix) + data
}

const get = "\x0a\x01a" // the request to get, or to watch, the key a

var mistakes = []mistake{
	{name: "the compressed flag without an encoding", families: "grpc, connect stream", body: message(1, 3, get), code: connect.CodeInternal, reason: "REQUEST_INVALID", message: "compressed flag"},
	{name: "a message that ends early", families: "grpc, connect stream", body: message(0, 100, get), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "100 bytes"},
	{name: "a prefix that ends early", families: "grpc, connect stream", body: "\x00\x00", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID"},
	{name: "no message", families: "grpc, connect stream", code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: "zero messages"},
	{name: "two messages", families: "grpc, connect stream", body: message(0, 3, get) + message(0, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: "multiple messages"},
	{name: "a message that is not protobuf", families: "grpc, connect stream", body: message(0, 3, "\xff\xff\xff"), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "unmarshal"},
	{name: "bytes that are not protobuf", families: "connect", body: "\xff\xff\xff", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "unmarshal"},
	{name: "an unknown procedure", families: "grpc, connect stream, connect", path: service + "Nope", body: message(0, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: "unknown procedure " + service + "Nope"},
	{name: "an unknown service", families: "grpc, connect stream", path: "/nope.v1.Nope/Nope", body: message(0, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: "unknown procedure /nope.v1.Nope/Nope"},
	{name: "an encoding", families: "grpc", header: []string{"Grpc-Encoding", "gzip"}, body: message(1, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: `unsupported compression "gzip"`},
	{name: "an encoding", families: "connect stream", header: []string{"Connect-Content-Encoding", "gzip"}, body: message(1, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: `unsupported compression "gzip"`},
	{name: "an encoding", families: "connect", header: []string{"Content-Encoding", "br"}, body: get, code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: `unsupported compression "br"`},
	{name: "a codec", families: "grpc", header: []string{"Content-Type", "+thrift"}, body: message(0, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: "thrift"},
	{name: "a timeout without a unit", families: "grpc", header: []string{"Grpc-Timeout", "10"}, body: message(0, 3, get), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: `invalid Grpc-Timeout "10": want at most 8 digits and a unit`},
	{name: "a timeout of nine digits", families: "grpc", header: []string{"Grpc-Timeout", "100000000S"}, body: message(0, 3, get), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "Grpc-Timeout"},
	{name: "metadata that is not base64", families: "grpc", header: []string{"X-Data-Bin", "***"}, path: service + "Nope", body: message(0, 3, get), code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED"},
	{name: "a timeout with a unit", families: "connect stream, connect, get", header: []string{"Connect-Timeout-Ms", "10s"}, query: "encoding=proto&message=", body: message(0, 3, get), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: `invalid Connect-Timeout-Ms "10s": want milliseconds`},
	{name: "another version", families: "connect stream, connect", header: []string{"Connect-Protocol-Version", "2"}, body: message(0, 3, get), code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: `Connect-Protocol-Version "2": want 1`},
	{name: "base64 that is none", families: "get", query: "connect=v1&encoding=proto&base64=1&message=%2A%2A", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "illegal base64"},
	{name: "bytes that are not protobuf, in base64", families: "get", query: "encoding=proto&base64=1&message=____", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "unmarshal"},
	{name: "text that is not JSON", families: "get", query: "encoding=json&message=%7B", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "unmarshal"},
	{name: "another version", families: "get", query: "connect=v2&encoding=json&message=%7B%7D", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: `connect="v2": want v1`},
	{name: "a codec", families: "get", query: "encoding=xml&message=%7B%7D", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: `encoding="xml": want json or proto`},
	{name: "no message", families: "get", query: "encoding=json", code: connect.CodeInvalidArgument, reason: "REQUEST_INVALID", message: "missing query parameter message"},
	{name: "an encoding", families: "get", query: "encoding=json&message=%7B%7D&compression=gzip", code: connect.CodeUnimplemented, reason: "UNIMPLEMENTED", message: `unsupported compression "gzip"`},
}

// A mistake of a caller is answered as such, with a reason, and does not count as a failure of the service.
func TestAMistakeOfACallerIsNeverAFailureOfTheService(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve")
	for _, wire := range mistakeWires {
		for _, m := range mistakes {
			if slices.Contains(strings.Split(m.families, ", "), wire.family) {
				t.Run(wire.name+"/"+m.name, func(t *testing.T) {
					got := m.send(t, server.url, wire)
					if got.code != m.code || got.reason != m.reason || !strings.Contains(got.message, m.message) {
						t.Errorf("got %+v, want %v with reason %s and a message with %q", got, m.code, m.reason, m.message)
					}
				})
			}
		}
	}
	t.Run("bodies that end early", func(t *testing.T) { bodiesThatEndEarly(t, server.url) })
	t.Run("requests of no protocol", func(t *testing.T) { requestsOfNoProtocol(t, server.url) })
	server.wantNoAlert(t)
}

// A deadline that has passed is told as any other failure.
func TestADeadlineHasItsReasonOnEveryWire(t *testing.T) {
	t.Parallel()
	server := startKV(t, key, "serve")
	for _, wire := range mistakeWires {
		t.Run(wire.name, func(t *testing.T) {
			late := mistake{body: message(0, 3, get), header: []string{"Grpc-Timeout", "1n"}}
			if wire.family != "grpc" {
				late.header = []string{"Connect-Timeout-Ms", "0"}
			}
			if late.query = "encoding=json&message=%7B%22key%22%3A%22a%22%7D"; wire.family == "connect" {
				late.body = get
			}
			got := late.send(t, server.url, wire)
			if got.code != connect.CodeDeadlineExceeded || got.reason != "DEADLINE_EXCEEDED" {
				t.Errorf("got %+v, want deadline_exceeded with reason DEADLINE_EXCEEDED", got)
			}
		})
	}
	if log := server.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", log)
	}
}

// send sends m and returns the answer.
func (m mistake) send(t *testing.T, url string, w wire) rpcAnswer {
	t.Helper()
	path := w.path
	if m.path != "" {
		path = m.path
	}
	method, body := http.MethodPost, io.Reader(strings.NewReader(m.body))
	if w.family == "get" {
		method, path, body = http.MethodGet, path+"?"+m.query, http.NoBody
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	if w.content != "" {
		req.Header.Set("Content-Type", w.content)
	}
	if w.family == "grpc" {
		req.Header.Set("Te", "trailers")
	}
	for i := 0; i+1 < len(m.header); i += 2 {
		if m.header[i] == "Content-Type" {
			base, _, _ := strings.Cut(w.content, "+")
			m.header[i+1] = base + "+thrift"
		}
		req.Header.Set(m.header[i], m.header[i+1])
	}
	res, err := w.client(t, url).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, res)
}

// rpcAnswer is the error that a call ended with.
type rpcAnswer struct {
	code            connect.Code
	reason, message string
}

// readAnswer reads the error of a call over any protocol.
func readAnswer(t *testing.T, res *http.Response) rpcAnswer {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	content := res.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(content, "application/grpc"):
		trailer := maps.Clone(res.Header)
		maps.Copy(trailer, res.Trailer)
		if strings.HasPrefix(content, "application/grpc-web") && len(body) > 5 {
			for line := range strings.Lines(string(body[5:])) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
				trailer.Set(name, strings.TrimSpace(value))
			}
		}
		return grpcAnswer(t, trailer)
	case strings.HasPrefix(content, "application/connect+"):
		if len(body) < 5 {
			t.Fatalf("%s with %q", res.Status, body)
		}
		var end struct{ Error json.RawMessage }
		if err := json.Unmarshal(body[5:], &end); err != nil {
			t.Fatalf("%s with %q: %v", res.Status, body, err)
		}
		body = end.Error
	}
	var answer struct {
		Code                    connect.Code
		Message, Detail, Reason string // the last two of a problem
		Details                 []struct{ Type, Value string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%s with %q: %v", res.Status, body, err)
	}
	got := rpcAnswer{answer.Code, answer.Reason, answer.Message + answer.Detail}
	for _, detail := range answer.Details {
		value, err := base64.RawStdEncoding.DecodeString(detail.Value)
		if err != nil {
			t.Fatal(err)
		}
		got.reason = reasonIn(t, &anypb.Any{TypeUrl: "type.googleapis.com/" + detail.Type, Value: value})
	}
	return got
}

func grpcAnswer(t *testing.T, trailer http.Header) rpcAnswer {
	t.Helper()
	code, err := strconv.ParseUint(trailer.Get("Grpc-Status"), 10, 32)
	if err != nil {
		t.Fatalf("no status in %v", trailer)
	}
	got := rpcAnswer{code: connect.Code(code), message: trailer.Get("Grpc-Message")}
	details, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(trailer.Get("Grpc-Status-Details-Bin"), "="))
	var status spb.Status
	if err != nil || proto.Unmarshal(details, &status) != nil {
		t.Fatalf("details that cannot be read in %v", trailer)
	}
	for _, detail := range status.GetDetails() {
		got.reason, got.message = reasonIn(t, detail), status.GetMessage()
	}
	return got
}

func reasonIn(t *testing.T, detail *anypb.Any) string {
	t.Helper()
	var info errdetails.ErrorInfo
	if err := detail.UnmarshalTo(&info); err != nil {
		t.Fatal(err)
	}
	return info.GetReason()
}

// bodiesThatEndEarly sends bodies that are shorter than declared, or broken, and stops sending.
func bodiesThatEndEarly(t *testing.T, url string) {
	for _, request := range []string{
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"Content-Type: application/proto\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + get + "\r\nnone\r\n",
		"Content-Type: application/grpc-web\r\nContent-Length: 100\r\n\r\n" + message(0, 95, get),
		"Content-Type: application/grpc-web\r\nContent-Length: 100\r\n\r\n\x00\x00",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST "+getPath+" HTTP/1.1\r\nHost: test\r\nX-Api-Key: secret\r\n"+request); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			continue // the server need not answer: it may take the end for the client's
		}
		if got := readAnswer(t, res); got.code != connect.CodeInvalidArgument && got.code != connect.CodeCanceled {
			t.Errorf("the answer to %q is %+v, want invalid_argument, or canceled", request, got)
		}
	}
}

// requestsOfNoProtocol sends requests to paths of procedures that are not RPCs.
func requestsOfNoProtocol(t *testing.T, url string) {
	for _, test := range []struct {
		method, path, contentType string
		status                    int
		reason, header            string // the header that it must have
	}{
		{"POST", getPath, "", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"POST", getPath, "text/plain", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"POST", getPath, "application/json; charset=latin1", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"POST", getPath, "application/connect+json", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"POST", watchPath, "application/json", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"POST", service + "Nope", "text/plain", 415, "MEDIA_TYPE_UNSUPPORTED", "Accept-Post"},
		{"PUT", getPath, "application/grpc", 405, "METHOD_NOT_ALLOWED", "Allow"},
		{"PUT", getPath, "application/json", 405, "METHOD_NOT_ALLOWED", "Allow"},
		{"GET", setPath, "", 405, "METHOD_NOT_ALLOWED", "Allow"},
		{"GET", watchPath, "", 405, "METHOD_NOT_ALLOWED", "Allow"},
		{"GET", service + "Nope", "", 404, "ROUTE_NOT_FOUND", ""},
	} {
		for _, client := range []*http.Client{overHTTP1(t, url), overHTTP2(t, url)} {
			req, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", test.contentType)
			req.Header.Set("X-Api-Key", "secret")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got := readAnswer(t, res)
			if res.StatusCode != test.status || got.reason != test.reason || got.message == "" ||
				res.Header.Get("Content-Type") != "application/problem+json" || test.header != "" && res.Header.Get(test.header) == "" {
				t.Errorf("%s %s of %q: %s %v %+v, want %d with reason %s", test.method, test.path, test.contentType, res.Status, res.Header, got, test.status, test.reason)
			}
		}
	}
}

// wantNoAlert checks that nothing was logged as an error, or counted in what an alert of deploy/ watches.
func (o observed) wantNoAlert(t *testing.T) {
	t.Helper()
	if log := o.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("the log has errors or warnings:\n%s", log)
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	watched := regexp.MustCompile(`(\w+_response_status_code)=~"([^"]+)"`).FindAllStringSubmatch(string(alerts), -1)
	if len(watched) < 2 {
		t.Fatalf("the alerts watch only %q", watched)
	}
	_, metrics := fetch(t, o.admin+"/metrics")
	for _, label := range watched {
		counted := regexp.MustCompile(`_count\{[^}]*` + label[1] + `="(` + label[2] + `)".*`)
		if lines := counted.FindAllString(metrics, -1); lines != nil {
			t.Errorf("an alert counts\n%s", strings.Join(lines, "\n"))
		}
	}
	if !strings.Contains(metrics, `rpc_response_status_code="INVALID_ARGUMENT"`) {
		t.Error("no mistake was counted at all")
	}
}
