package e2e_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// crowd is callers of one key that begin what they do not finish, or ask for what they do not read.
type crowd struct {
	addr, key string
	conns     []net.Conn
	all       sync.WaitGroup
}

// dial opens a connection whose client has almost no room for responses.
func (c *crowd) dial(t *testing.T) net.Conn {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, socket syscall.RawConn) error {
		return socket.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.conns = append(c.conns, conn)
	return conn
}

// send sends the beginning of a request over HTTP/1.1, as much of it as the server takes, and reads nothing.
func (c *crowd) send(t *testing.T, head string, body []byte) {
	t.Helper()
	conn := c.dial(t)
	c.all.Go(func() {
		if _, err := io.WriteString(conn, head+"Host: test\r\nX-Api-Key: "+c.key+"\r\n\r\n"); err == nil {
			_, _ = conn.Write(body) // fails if the server gives up
		}
	})
}

// leave closes all connections.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.all.Wait()
}

// put stores size bytes, and tries again while the server is overloaded.
func (c *crowd) put(t *testing.T, key string, size int) {
	t.Helper()
	value := bytes.Repeat([]byte("v"), size)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+c.addr+"/v1/values/"+key, bytes.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"X-Api-Key": {c.key}, "Content-Type": {"application/octet-stream"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode < http.StatusMultipleChoices {
			return
		}
		if res.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Fatalf("PUT %s = %s %s", key, res.Status, answer)
		}
	}
}

// stalled is an HTTP/2 connection whose client gives the server no window to answer.
type stalled struct {
	crowd   *crowd
	framer  *h2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer
	last    uint32 // the latest stream

	mu      sync.Mutex // also held while a frame is written
	changed sync.Cond  // window, initial or gone
	window  map[uint32]int
	initial int // of a new stream
	gone    bool
}

// connection is the key of the connection's window, beside those of streams.
const connection = 0

func (c *crowd) http2(t *testing.T) *stalled {
	t.Helper()
	conn := c.dial(t)
	p := &stalled{crowd: c, framer: h2.NewFramer(conn, conn), window: map[uint32]int{connection: 65_535}, initial: 65_535}
	p.changed.L = &p.mu
	p.encoder = hpack.NewEncoder(&p.block)
	if _, err := io.WriteString(conn, h2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := p.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	c.all.Go(p.read)
	return p
}

// read reads frames until the connection ends, and keeps count of what may be sent.
func (p *stalled) read() {
	for p.next() {
	}
}

func (p *stalled) next() bool {
	frame, err := p.framer.ReadFrame()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Broadcast()
	switch f := frame.(type) {
	case *h2.SettingsFrame:
		if v, ok := f.Value(h2.SettingInitialWindowSize); ok {
			for stream := range p.window {
				if stream != connection {
					p.window[stream] += int(v) - p.initial
				}
			}
			p.initial = int(v)
		}
		if !f.IsAck() {
			_ = p.framer.WriteSettingsAck() // the connection may have ended
		}
	case *h2.PingFrame:
		if !f.IsAck() {
			_ = p.framer.WritePing(true, f.Data)
		}
	case *h2.WindowUpdateFrame:
		p.window[f.StreamID] += int(f.Increment)
	}
	p.gone = err != nil
	return err == nil
}

// call begins a call with body, of which it sends as much as the server takes. If it is whole, the request ends with it.
func (p *stalled) call(contentType, procedure string, body []byte, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.block.Reset()
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", "test"}, {":path", service + procedure},
		{"content-type", contentType}, {"te", "trailers"}, {"x-api-key", p.crowd.key},
	} {
		_ = p.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // a buffer takes everything
	}
	p.last += 2
	stream := p.last - 1
	p.window[stream] = p.initial
	err := p.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block.Bytes(), EndHeaders: true})
	if err == nil {
		p.crowd.all.Go(func() { p.send(stream, body, whole) })
	}
}

func (p *stalled) send(stream uint32, body []byte, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(body) != 0 && !p.gone {
		n := min(len(body), 16<<10, p.window[connection], p.window[stream])
		if n <= 0 {
			p.changed.Wait()
			continue
		}
		p.window[connection] -= n
		p.window[stream] -= n
		if p.framer.WriteData(stream, whole && n == len(body), body[:n]) != nil {
			return
		}
		body = body[n:]
	}
}

// message returns the beginning of a gRPC message of size bytes.
func message(size int, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(size)), data...)
}
