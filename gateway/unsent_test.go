package gateway_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"key-value/gateway"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
)

// Nothing times the response to a unary gRPC call: the call ends, and the connection keeps the response for as long as it
// is open.
func TestGRPCResponsesCountUntilTheyAreSent(t *testing.T) {
	t.Parallel()
	for where, transport := range limited {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			const calls = 20
			engine, limiter := newEngine(t), admission.New(admission.Config{Bytes: 8 * mebibyte})
			url := start(t, transport(t, engine, limiter), func(cfg *gateway.Config) { cfg.Limiter = limiter })
			put(t, engine, "big", bytes.Repeat([]byte("v"), mebibyte))
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()

			refused := getWithoutWindow(t, conn, "big", calls)
			await(t, "every call is refused, or ended and its response counted", func() bool {
				kept := limiter.Budget().Used() / mebibyte
				return kept > 1 && kept <= 6 && kept+refused.Load() == calls
			})
			_ = conn.Close()
			await(t, "all memory is free again", func() bool { return limiter.Budget().Used() == 0 })
			if got := ask(t, http.MethodGet, url+"/v1/values/big", ""); got.status != http.StatusOK {
				t.Errorf("GET afterwards = %d %.80s", got.status, got.body)
			}
		})
	}
}

// getWithoutWindow reads key several times over one gRPC connection whose client has no room for content. It
// returns how many of the calls have been refused.
func getWithoutWindow(t *testing.T, conn net.Conn, key string, calls int) *atomic.Int64 {
	t.Helper()
	message, err := proto.Marshal(&keyvaluev1.GetRequest{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range calls {
		block.Reset()
		for _, field := range [][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":authority", "test"}, {":path", keyvaluev1connect.KeyValueServiceGetProcedure},
			{"content-type", "application/grpc"}, {"te", "trailers"}, {"x-api-key", apiKey},
		} {
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // a buffer takes everything
		}
		stream := uint32(2*i + 1)
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
		if err == nil {
			err = framer.WriteData(stream, true, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := new(atomic.Int64)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	go func() {
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			// Without its content, a response cannot end unless it is an error.
			if f, ok := frame.(*http2.MetaHeadersFrame); ok && f.StreamEnded() {
				refused.Add(1)
			}
		}
	}()
	return refused
}
