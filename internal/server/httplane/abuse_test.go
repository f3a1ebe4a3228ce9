package httplane_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"key-value/internal/server/httplane"
	"key-value/internal/server/lane"
	"key-value/internal/server/sniff"
)

func TestClientsThatResetRequestsAreDelayed(t *testing.T) {
	for _, test := range []struct {
		name      string
		requests  int
		everyNth  int // of the requests is reset
		from, to  time.Duration
		wantBytes int // the most that the last read may return; 0: any number
	}{
		{name: "resets none", requests: 10_000, everyNth: 20_000},
		{name: "resets a third", requests: 10_000, everyNth: 3},
		{name: "resets 100 at once", requests: 100, everyNth: 1},
		{name: "resets all", requests: 500, everyNth: 1, from: 1900 * time.Millisecond, to: 2100 * time.Millisecond, wantBytes: 512},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				conn := newLane().Wrap(&sniff.Conn{Conn: server, HTTP2: &sniff.HTTP2{}})
				start := time.Now()
				go func() {
					_, _ = client.Write(someReset(t, test.requests, test.everyNth))
					_ = client.Close()
				}()
				last := readAll(t, conn)
				if took := time.Since(start); took < test.from || took > test.to {
					t.Errorf("it took %v, want %v to %v", took, test.from, test.to)
				}
				if test.wantBytes != 0 && last > test.wantBytes {
					t.Errorf("the last read returned %d bytes, want at most %d", last, test.wantBytes)
				}
				_ = conn.Close()
			})
		})
	}
}

func newLane() *httplane.Lane {
	return httplane.New(httplane.Config{Bounds: lane.Bounds{}.WithDefaults(), Log: slog.New(slog.DiscardHandler)})
}

// someReset returns the frames of requests of which every nth is reset.
func someReset(t *testing.T, requests, nth int) []byte {
	var out bytes.Buffer
	f := http2.NewFramer(&out, nil)
	for i := range requests {
		stream := uint32(2*i + 1)
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x82}, EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		if i%nth == nth-1 {
			if err := f.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out.Bytes()
}

// readAll reads to the end, and returns how many bytes the last read returned.
func readAll(t *testing.T, conn net.Conn) (last int) {
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			last = n
		}
		if err == io.EOF {
			return last
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
