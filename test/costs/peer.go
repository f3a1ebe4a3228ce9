package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// apiKey is the key of the server that is measured.
const apiKey = "costs-key"

// request is a request of any wire.
type request struct {
	method, path, contentType, body string
	// rest is how many bytes of the body are not sent.
	rest int
	// until is what the response contains when the server has done all that the request makes it do. Empty: the request
	// is not answered, because it is not complete.
	until string
}

// message returns a protobuf message in an envelope of gRPC and of Connect's streams.
func message(payload string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(payload)))) + payload
}

// dial opens a connection.
func dial(addr string, secure bool, protocol string) (net.Conn, error) {
	if !secure {
		return net.Dial("tcp", addr)
	}
	return tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}) // self-signed
}

// overHTTP1 makes the request on a connection of HTTP/1.1.
func overHTTP1(conn net.Conn, r request) error {
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: a\r\nX-Api-Key: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		r.method, r.path, apiKey, r.contentType, len(r.body), r.body[:len(r.body)-r.rest])
	if err != nil || r.until == "" {
		return err
	}
	in := bufio.NewReaderSize(conn, 1<<10)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	return r.found(res.StatusCode, res.Body)
}

// found reads until what the request wants has arrived.
func (r request) found(status int, body io.Reader) error {
	var got []byte
	for buffer := make([]byte, 512); !bytes.Contains(got, []byte(r.until)); {
		n, err := body.Read(buffer)
		got = append(got, buffer[:n]...)
		if n == 0 && err != nil {
			return fmt.Errorf("%s %s: %d %q, want %q in it", r.method, r.path, status, got, r.until)
		}
	}
	return nil
}

// overHTTP2 makes the request in so many streams of a connection of HTTP/2. Unless it is to stop reading, it then answers the
// server's PINGs until the connection is closed.
func overHTTP2(conn net.Conn, r request, streams int, stop bool) error {
	out := bufio.NewWriter(conn)
	f := http2.NewFramer(out, conn)
	f.SetReuseFrames()
	_, _ = out.WriteString(http2.ClientPreface) // errors remain until Flush
	_ = f.WriteSettings()
	for i := range streams {
		id := uint32(2*i + 1)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(), EndHeaders: true, EndStream: r.body == ""})
		if r.body != "" {
			_ = f.WriteData(id, r.rest == 0, []byte(r.body[:len(r.body)-r.rest]))
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if r.until != "" {
			if err := r.await(f, out); err != nil {
				return err
			}
		}
	}
	if r.until == "" { // the requests have arrived when a PING after them is answered
		_ = f.WritePing(false, [8]byte{})
		if err := r.await(f, out); err != nil {
			return err
		}
	}
	if !stop {
		go func() {
			for answer(f, out, nil) == nil {
			}
		}()
	}
	return nil
}

// await reads until what the request wants has arrived, or the answer to a PING if it wants nothing.
func (r request) await(f *http2.Framer, out *bufio.Writer) error {
	var got []byte
	for done := false; !done; {
		err := answer(f, out, func(frame http2.Frame) error {
			switch frame := frame.(type) {
			case *http2.PingFrame:
				done = r.until == "" && frame.IsAck()
			case *http2.DataFrame:
				got = append(got, frame.Data()...)
				done = r.until != "" && bytes.Contains(got, []byte(r.until))
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				return fmt.Errorf("%s %s: %v after %q", r.method, r.path, frame, got)
			case *http2.HeadersFrame:
				if frame.StreamEnded() && !done && !bytes.Contains(got, []byte(r.until)) {
					return fmt.Errorf("%s %s: ended with %q, want %q in it", r.method, r.path, got, r.until)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// answer reads a frame and acknowledges it if it is to be acknowledged.
func answer(f *http2.Framer, out *bufio.Writer, observe func(http2.Frame) error) error {
	frame, err := f.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			_ = f.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			_ = f.WritePing(true, frame.Data)
		}
	}
	if observe != nil {
		if err := observe(frame); err != nil {
			return err
		}
	}
	return out.Flush()
}

// block returns the header block of the request. It does not depend on others.
func (r request) block() []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := [][2]string{{":method", r.method}, {":scheme", "http"}, {":path", r.path}, {":authority", "a"}, {"x-api-key", apiKey}}
	if r.contentType != "" {
		fields = append(fields, [2]string{"content-type", r.contentType})
	}
	if strings.HasPrefix(r.contentType, "application/grpc") {
		fields = append(fields, [2]string{"te", "trailers"})
	}
	for _, field := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true}) // a buffer returns no error
	}
	return block.Bytes()
}
