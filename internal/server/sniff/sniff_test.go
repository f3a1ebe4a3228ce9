package sniff_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"key-value/internal/server/grpclane"
	"key-value/internal/server/httplane"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
	"key-value/internal/testkit/wiretest"
)

const procedure = "/test.v1.Test/Call"

var config = sniff.Config{GRPC: true, Bounds: bounds, Log: slog.New(slog.DiscardHandler)}

var bounds = lane.Bounds{
	HeaderTimeout: time.Minute, IdleTimeout: time.Minute, WriteTimeout: time.Minute, Streams: 100,
}.WithDefaults()

var limiter = lane.NewLimiter(bounds)

// decide reads conn until its lane is known, and returns the connection as the server of that lane reads it, and the lane.
func decide(conn net.Conn) (net.Conn, sniff.Lane, error) {
	c, to, err := sniff.Decide(conn, config)
	switch {
	case err != nil:
		return nil, 0, err
	case to == sniff.GRPC:
		rpc := connect.NewServer()
		rpc.Register(connect.Method{Spec: connect.Spec{Procedure: procedure}})
		return grpclane.New(rpc, bounds, limiter, new(atomic.Int64)).Wrap(c), to, nil
	}
	return httplane.New(httplane.Config{Bounds: bounds, Limiter: limiter, Log: config.Log}).Wrap(c), to, nil
}

func TestTheGRPCLaneReadsOnlyGRPC(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		client := newRecorder(t)
		grpc, others := requests(rt, client)
		raw := &script{pieces: pieces(rt, client.sent.Bytes())}
		conn, who, err := decide(raw)
		if err != nil || who != sniff.GRPC {
			rt.Fatalf("Decide = %v, %v; want grpc-go", who, err)
		}
		sent := serverFrames(rt)
		answers := pieces(rt, sent)
		before := rapid.IntRange(0, len(answers)).Draw(rt, "pieces before") // the server may be in the middle of a frame
		writeAll(conn, answers[:before])
		if got := readNumbers(rt, conn); !slices.Equal(got, grpc) {
			rt.Errorf("grpc-go read the requests %v, want %v", got, grpc)
		}
		writeAll(conn, answers[before:])
		if got := refusals(rt, raw.written.Bytes(), sent); !slices.Equal(got, others) {
			rt.Errorf("the streams %v were refused, want %v", got, others)
		}
	})
}

func writeAll(w io.Writer, pieces [][]byte) {
	for _, piece := range pieces {
		_, _ = w.Write(piece)
	}
}

// serverFrames returns random frames of a server.
func serverFrames(t *rapid.T) []byte {
	var all bytes.Buffer
	framer := http2.NewFramer(&all, nil)
	for i := range rapid.IntRange(0, 5).Draw(t, "answers") {
		_ = framer.WriteData(uint32(2*i+1), false, make([]byte, rapid.IntRange(0, 9000).Draw(t, "answer")))
	}
	return all.Bytes()
}

// readNumbers reads requests as a server does, and returns their "x-number".
func readNumbers(t *rapid.T, conn net.Conn) (numbers []string) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Fatalf("the preface is %q, %v", preface, err)
	}
	framer := http2.NewFramer(io.Discard, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return numbers
		}
		if err != nil {
			t.Fatalf("the server cannot read: %v", err)
		}
		if header, ok := frame.(*http2.MetaHeadersFrame); ok {
			numbers = append(numbers, wiretest.Field(header, "x-number"))
		}
	}
}

// refusals returns the streams that were refused in written, which must also hold everything that the server sent.
func refusals(t *rapid.T, written, sent []byte) (streams []uint32) {
	framer := http2.NewFramer(io.Discard, bytes.NewReader(written))
	var server bytes.Buffer
	copied := http2.NewFramer(&server, nil)
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the client cannot read: %v", err)
		}
		switch f := frame.(type) {
		case *http2.RSTStreamFrame:
			streams = append(streams, f.StreamID)
		case *http2.DataFrame:
			_ = copied.WriteData(f.StreamID, false, f.Data())
		}
	}
	if !bytes.Equal(server.Bytes(), sent) {
		t.Error("what the server sent arrived changed")
	}
	return streams
}

// Nothing that a peer sends may be lost on its way to net/http.
func TestTheHTTPLaneReadsEveryByte(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		client := newRecorder(t)
		client.Greet()
		block := client.Post(procedure, "application/proto", "x-long", strings.Repeat("x", rapid.IntRange(0, 5000).Draw(rt, "long")))
		writeHeaders(rt, client, 1, block)
		client.Must(client.WriteData(1, true, rapid.SliceOfN(rapid.Byte(), 0, 12_000).Draw(rt, "body")))
		want := bytes.Clone(client.sent.Bytes())
		if rapid.Bool().Draw(rt, "HTTP/1.1") {
			want = append([]byte("PRI /x HTTP/1.1\r\n"), rapid.SliceOf(rapid.Byte()).Draw(rt, "rest")...)
		}
		conn, who, err := decide(&script{pieces: pieces(rt, want)})
		if err != nil || who != sniff.HTTP {
			rt.Fatalf("Decide = %v, %v; want net/http", who, err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, want) {
			rt.Errorf("lane %v read %d bytes, %v; want all %d", who, len(got), err, len(want))
		}
		_ = conn.Close()
	})
}

// The acknowledgement of SETTINGS that net/http did not send is the first, wherever it comes.
func TestTheFirstAcknowledgementIsHidden(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		client := newRecorder(t)
		client.Greet()
		at := rapid.IntRange(0, 3).Draw(rt, "frames before it")
		for i := range 4 {
			if i == at {
				client.Must(client.WriteSettingsAck())
			}
			if i == 0 {
				writeHeaders(rt, client, 1, client.Post(procedure, "application/proto"))
			}
			client.Must(client.WriteData(1, i == 3, make([]byte, rapid.IntRange(0, 9000).Draw(rt, "body"))))
		}
		client.Must(client.WriteSettingsAck())
		conn, _, err := decide(&script{pieces: bytewise(client.sent.Bytes(), 40, rt)})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil {
			rt.Fatal(err)
		}
		acks, data := 0, 0
		framer := http2.NewFramer(io.Discard, bytes.NewReader(got[len(http2.ClientPreface):]))
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				break
			}
			switch f := frame.(type) {
			case *http2.SettingsFrame:
				if f.IsAck() {
					acks++
				}
			case *http2.DataFrame:
				data++
			}
		}
		if acks != 1 || data != 4 {
			rt.Errorf("net/http read %d acknowledgements and %d DATA frames, want 1 and 4", acks, data)
		}
		_ = conn.Close()
	})
}

// bytewise returns the first n bytes one by one, so that SETTINGS have to be sent, and the rest in random pieces.
func bytewise(data []byte, n int, t *rapid.T) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, data[i:i+1])
	}
	return append(out, pieces(t, data[n:])...)
}

func FuzzDecide(f *testing.F) {
	client := newRecorder(f)
	client.Greet()
	client.Request(1, client.Post(procedure, "application/grpc"), wiretest.Message(nil))
	client.Request(3, client.Post("/", "text/plain"), nil)
	f.Add(client.sent.Bytes(), 7)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Add(append([]byte(http2.ClientPreface), bytes.Repeat([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, 9)...), 100)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = max(1, min(step, 1<<16))
		var in [][]byte
		for chunk := range slices.Chunk(data, step) {
			in = append(in, chunk)
		}
		conn, _, err := decide(&script{pieces: in})
		if err != nil {
			return
		}
		got, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("reading = %v", err)
		}
		if len(got) > 2*len(data)+1024 {
			t.Errorf("%d bytes became %d", len(data), len(got))
		}
		_ = conn.Close()
	})
}
