package fanout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"key-value/test/bench/load"
)

// window is the flow-control window, large enough that a server never waits for it.
const window = 1 << 30

// conn is an HTTP/2 connection with many watches. It does as little as possible with what arrives, because it shares
// the machine with the server.
type conn struct {
	net     net.Conn
	framer  *http2.Framer
	streams map[uint32]*frames // :: stream → a partly received message; used only by read
	message func([]byte)       // called with each message
	end     bool               // whether each request is a single message
	block   bytes.Buffer       // encodes header blocks; used only by watch
	encoder *hpack.Encoder     // writes to block
	next    uint32             // the next stream; used only by watch
}

func dial(addr string, end bool, message func([]byte)) (*conn, error) {
	tcp, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{net: tcp, streams: map[uint32]*frames{}, message: message, end: end, next: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(tcp, tcp)
	c.framer.SetReuseFrames()
	if _, err := io.WriteString(tcp, http2.ClientPreface); err != nil {
		return nil, err
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
		return nil, err
	}
	return c, c.framer.WriteWindowUpdate(0, window)
}

// watch opens a stream and sends one message. All streams are opened before read is called.
func (c *conn) watch(procedure string, message []byte) error {
	id := c.next
	c.next += 2
	c.streams[id] = &frames{}
	c.block.Reset()
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", procedure},
		{":authority", c.net.RemoteAddr().String()},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true,
	})
	if err != nil {
		return err
	}
	return c.framer.WriteData(id, c.end, load.Frame(message))
}

// read receives until the connection is closed or a stream ends, which none should.
func (c *conn) read() error {
	for received := uint32(0); ; {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch f := frame.(type) {
		case *http2.DataFrame:
			c.streams[f.StreamID].add(f.Data(), c.message)
			if received += f.Length; received > window/4 {
				if err := c.framer.WriteWindowUpdate(0, received); err != nil {
					return err
				}
				received = 0
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = c.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = c.framer.WritePing(true, f.Data)
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("unexpected frame %v", f)
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return fmt.Errorf("the server ended watch %d", f.StreamID)
			}
		}
		if err != nil {
			return err
		}
	}
}

// frames splits a stream of gRPC messages, received in pieces, into messages.
type frames struct{ rest []byte }

// add calls each with every message that piece completes.
func (f *frames) add(piece []byte, each func(message []byte)) {
	data := piece
	if len(f.rest) != 0 {
		f.rest = append(f.rest, piece...)
		data = f.rest
	}
	for len(data) >= 5 {
		end := 5 + int(binary.BigEndian.Uint32(data[1:5]))
		if len(data) < end {
			break
		}
		each(data[5:end])
		data = data[end:]
	}
	f.rest = append(f.rest[:0], data...)
}
