package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"key-value/gateway"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
)

// unreadTries is how often each client sends a request with a body of size bytes. A response is lost in some tries only, but
// in most with a body of many megabytes.
func unreadTries(size int) int {
	if size > 2<<20 {
		return 10
	}
	return 80
}

// unreadBodies are requests that are answered before their body is read.
var unreadBodies = []struct {
	name   string
	header []string // names and values in alternation
	size   int
	status int
}{
	{"no key, 1 KiB", nil, 1 << 10, http.StatusUnauthorized},
	{"no key, 256 KiB", nil, 256 << 10, http.StatusUnauthorized},
	{"wrong type, 256 KiB", []string{"x-api-key", apiKey, "content-type", "image/png"}, 256 << 10, http.StatusUnsupportedMediaType},
	{
		"a byte too long", []string{"x-api-key", apiKey, "content-type", "application/octet-stream"},
		contract.DefaultValueBytes + 1, http.StatusRequestEntityTooLarge,
	},
	{
		"a message a byte too long", []string{"x-api-key", apiKey, "content-type", "application/json"},
		contract.MaxRequestBytes(contract.DefaultValueBytes) + 1, http.StatusRequestEntityTooLarge,
	},
}

// unreadClients are clients that send a request with a body unreadTries times, and return the statuses that they get. An error
// counts as status 0.
var unreadClients = []struct {
	name string
	send func(t *testing.T, url string, header []string, body []byte) []int
}{
	{"HTTP/1.1, writing before reading", eachTry(tryHTTP1)},
	{"HTTP/2, writing before reading", eachTry(tryHTTP2)},
	{"curl over HTTP/1.1", curl("--http1.1")},
	{"curl over HTTP/2", curl("--http2-prior-knowledge")},
	{"Python", python},
}

func TestAnAnswerBeforeTheBodyIsReadIsNotLost(t *testing.T) {
	g := gateway.New(hop.NewClient(rpc.InProcess(service(newEngine(t), nil)), hop.Config{Log: silent}),
		gateway.Config{Keys: auth.Single("default", apiKey), State: server.NewState(), Log: silent})
	for name, url := range map[string]string{
		"plain": wiretest.ServeRPC(t, g, g.RPC), "TLS": wiretest.ServeTLS(t, g, g.RPC),
	} {
		for _, client := range unreadClients {
			for _, request := range unreadBodies {
				t.Run(strings.Join([]string{name, client.name, request.name}, "/"), func(t *testing.T) {
					t.Parallel()
					got := client.send(t, url+"/v1/values/a", request.header, bytes.Repeat([]byte("x"), request.size))
					lost := slices.DeleteFunc(got, func(status int) bool { return status == request.status })
					if len(got) != unreadTries(request.size) || len(lost) != 0 {
						t.Errorf("%d of %d tries got %v, want %d", len(lost), len(got), lost, request.status)
					}
				})
			}
		}
	}
}

func eachTry(try func(t *testing.T, url string, header []string, body []byte) (int, error)) func(*testing.T, string, []string, []byte) []int {
	return func(t *testing.T, url string, header []string, body []byte) []int {
		var got []int
		var last error
		for range unreadTries(len(body)) {
			status, err := try(t, url, header, body)
			if err != nil {
				last = err
			}
			got = append(got, status)
		}
		if last != nil {
			t.Log(last)
		}
		return got
	}
}

// splitURL returns the address and the path of a URL, and whether it has TLS.
func splitURL(url string) (addr, path string, secure bool) {
	scheme, rest, _ := strings.Cut(url, "://")
	addr, path, _ = strings.Cut(rest, "/")
	return addr, "/" + path, scheme == "https"
}

// tryHTTP1 reads nothing before it has written everything.
func tryHTTP1(t *testing.T, url string, header []string, body []byte) (int, error) {
	addr, path, secure := splitURL(url)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if secure {
		config := wiretest.ClientTLS(t)
		config.ServerName = "localhost"
		conn = tls.Client(conn, config)
	}
	head := fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n", path, len(body))
	for i := 0; i < len(header); i += 2 {
		head += header[i] + ": " + header[i+1] + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return 0, err
	}
	for rest := body; len(rest) > 0; {
		n, err := conn.Write(rest[:min(len(rest), 16<<10)])
		if err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// tryHTTP2 takes a response for lost if its stream is reset before the body was sent.
func tryHTTP2(t *testing.T, url string, header []string, body []byte) (int, error) {
	_, path, _ := splitURL(url)
	p := wiretest.DialPeer(t, strings.TrimSuffix(url, path))
	defer p.Close()
	_ = p.SetDeadline(time.Now().Add(time.Minute))
	p.Greet()
	fields := append([]string{":method", "PUT", ":scheme", "http", ":authority", "test", ":path", path}, header...)
	p.Must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.Block(fields...), EndHeaders: true}))
	u := &upload{bytes: map[uint32]int{0: initialWindow, 1: initialWindow}, status: make(chan int, 1)}
	u.changed.L = &u.mu
	go u.follow(p)
	for rest := body; len(rest) > 0; {
		n, err := u.take(min(len(rest), 16<<10))
		if err == nil {
			err = p.WriteData(1, n == len(rest), rest[:n])
		}
		if err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return <-u.status, nil
}

// upload is what the server says while a body is sent on stream 1.
type upload struct {
	mu      sync.Mutex
	changed sync.Cond
	bytes   map[uint32]int // :: stream, 0 for the connection → bytes that may be sent; guarded by mu
	ended   error          // why no more can be sent; guarded by mu
	status  chan int       // receives the status of the complete response; 0: there is none
}

// initialWindow is that of HTTP/2, if no SETTINGS changes it.
const initialWindow = 64<<10 - 1

// follow reads until the connection ends.
func (u *upload) follow(p *wiretest.Peer) {
	status, initial := 0, initialWindow
	answer := sync.OnceFunc(func() { u.status <- status })
	defer answer()
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			u.change(0, 0, err)
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if size, ok := f.Value(http2.SettingInitialWindowSize); ok {
				u.change(1, int(size)-initial, nil)
				initial = int(size)
			}
		case *http2.WindowUpdateFrame:
			u.change(f.StreamID, int(f.Increment), nil)
		case *http2.RSTStreamFrame:
			u.change(0, 0, fmt.Errorf("the stream was reset with %v", f.ErrCode))
		case *http2.MetaHeadersFrame:
			status, _ = strconv.Atoi(wiretest.Field(f, ":status"))
		}
		if ends, ok := frame.(interface{ StreamEnded() bool }); ok && ends.StreamEnded() {
			answer()
		}
	}
}

func (u *upload) change(stream uint32, bytes int, ended error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes[stream] += bytes
	if u.ended == nil {
		u.ended = ended
	}
	u.changed.Broadcast()
}

// take waits until some of n bytes may be sent.
func (u *upload) take(n int) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.ended == nil && min(u.bytes[0], u.bytes[1]) <= 0 {
		u.changed.Wait()
	}
	n = min(n, u.bytes[0], u.bytes[1])
	u.bytes[0] -= n
	u.bytes[1] -= n
	return n, u.ended
}

// curl sends all tries with one process, or with one process each over HTTP/2 without TLS: Debian's curl 7.88 cannot use such a
// connection again. Header -H 'Expect:' makes it begin with the body at once.
func curl(option string) func(*testing.T, string, []string, []byte) []int {
	return func(t *testing.T, url string, header []string, body []byte) []int {
		version, times, processes := option, unreadTries(len(body)), 1
		if _, _, secure := splitURL(url); secure && version == "--http2-prior-knowledge" {
			version = "--http2"
		} else if version == "--http2-prior-knowledge" {
			times, processes = 1, times
		}
		args := []string{"--silent", "--show-error", version, "--cacert", wiretest.AuthorityFile(t), "--max-time", "60", "--request", "PUT",
			"--data-binary", "@" + written(t, body), "--output", os.DevNull, "--write-out", "%{exitcode} %{http_code}\n", "-H", "Expect:"}
		for i := 0; i < len(header); i += 2 {
			args = append(args, "-H", header[i]+": "+header[i+1])
		}
		var got []int
		for range processes {
			got = append(got, statuses(t, "curl", append(args, fmt.Sprintf("%s[1-%d]", url, times))...)...)
		}
		return got
	}
}

// python sends with Python's own HTTP client, which reads nothing before it has written everything.
func python(t *testing.T, url string, header []string, body []byte) []int {
	const program = `
import ssl, sys, urllib.error, urllib.request
url, certificates, file, tries, *header = sys.argv[1:]
body = open(file, "rb").read()
context = ssl.create_default_context(cafile=certificates)
for _ in range(int(tries)):
    request = urllib.request.Request(url, body, dict(zip(header[::2], header[1::2])), method="PUT")
    try:
        urllib.request.urlopen(request, timeout=60, context=context)
        print("0 200")
    except urllib.error.HTTPError as e:
        e.read()
        print("0", e.code)
    except OSError as e:
        print("1 000", e, file=sys.stderr)
        print("1 000")
`
	args := []string{"-c", program, url, wiretest.AuthorityFile(t), written(t, body), strconv.Itoa(unreadTries(len(body)))}
	return statuses(t, "python3", append(args, header...)...)
}

// statuses runs a program that prints an exit code and a status on each line.
func statuses(t *testing.T, program string, args ...string) (got []int) {
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("KV_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		fmt.Printf("\nNOT TESTED: %s, because %v\n\n", t.Name(), err) // go test shows a skipped test only with -v
		t.SkipNow()
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	for line := range strings.Lines(string(out)) {
		var exit, status int
		if _, err := fmt.Sscan(line, &exit, &status); err != nil || exit != 0 {
			status = 0
		}
		got = append(got, status)
	}
	if err != nil || said.Len() != 0 {
		t.Logf("%s: %v\n%s", program, err, said.Bytes())
	}
	return got
}

func written(t *testing.T, content []byte) string {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
