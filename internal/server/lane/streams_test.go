package lane_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

// paced returns a reader of conn's frames as a lane has it, and the streams that pace it.
func paced(conn net.Conn, limiter *lane.Limiter) (io.Reader, *lane.Streams) {
	streams := lane.NewStreams(limiter, nil, nil, func() { _ = conn.Close() })
	return h2.NewFilter(conn, nil, 0, func(f h2.Frame, _ []byte) h2.Verdict {
		if !streams.Arrived(f) {
			return h2.Hold
		}
		return h2.Pass
	}, streams), streams
}

func limiterOf(bounds lane.Bounds) *lane.Limiter { return lane.NewLimiter(bounds.WithDefaults()) }

func TestClientsThatResetRequestsAreDelayed(t *testing.T) {
	for _, test := range []struct {
		name      string
		requests  int
		everyNth  int // of the requests is reset
		from, to  time.Duration
		wantBytes int  // the most that the last read may return; 0: any number
		wantEnd   bool // whether the server closes the connection
	}{
		{name: "resets none", requests: 10_000, everyNth: 20_000},
		{name: "resets a third", requests: 10_000, everyNth: 3},
		{name: "resets 100 at once", requests: 100, everyNth: 1},
		{name: "resets all", requests: 500, everyNth: 1, from: 1900 * time.Millisecond, to: 2100 * time.Millisecond, wantBytes: 540},
		{name: "resets all, and goes on", requests: 5000, everyNth: 1, from: 4 * time.Second, to: 6 * time.Second, wantEnd: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				reader, streams := paced(server, limiterOf(lane.Bounds{Strangers: 20_000, StrangersOpen: 20_000}))
				defer streams.Close()
				start := time.Now()
				written := make(chan error, 1)
				go func() {
					_, err := client.Write(someReset(t, test.requests, test.everyNth))
					_ = client.Close()
					written <- err
				}()
				last := readAll(reader)
				if took := time.Since(start); took < test.from || took > test.to {
					t.Errorf("it took %v, want %v to %v", took, test.from, test.to)
				}
				if test.wantBytes != 0 && last > test.wantBytes {
					t.Errorf("the last read returned %d bytes, want at most %d", last, test.wantBytes)
				}
				if err := <-written; test.wantEnd != (err != nil) {
					t.Errorf("writing ended with %v; want the connection closed: %v", err, test.wantEnd)
				}
			})
		})
	}
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
func readAll(r io.Reader) (last int) {
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			last = n
		}
		if err != nil {
			return last
		}
	}
}

func request(id uint32) h2.Frame { return h2.Frame{Kind: h2.TypeHeaders, Stream: id} }

func begun(id uint32) h2.Frame { return h2.Frame{Kind: h2.TypeHeaders, Stream: id} }

func ended(id uint32) h2.Frame {
	return h2.Frame{Kind: h2.TypeData, Flags: h2.FlagEndStream, Stream: id}
}

func TestStrangersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := limiterOf(lane.Bounds{Strangers: 2, StrangerWait: time.Second})
		one, other := lane.NewStreams(limiter, nil, nil, nil), lane.NewStreams(limiter, nil, nil, nil)
		if !one.Arrived(request(1)) || !one.Arrived(request(3)) {
			t.Fatal("two requests must wait, want them under way")
		}
		if one.Arrived(request(5)) || other.Arrived(request(1)) {
			t.Fatal("a third request is under way, want it to wait")
		}
		start := time.Now()
		done := make(chan time.Duration, 1)
		go func() { other.Wait(); done <- time.Since(start) }()
		time.Sleep(100 * time.Millisecond)
		one.Sent(begun(1))
		if waited := <-done; waited != 100*time.Millisecond {
			t.Errorf("it waits for %v, want 100 ms: until a response began", waited)
		}
		if !other.Arrived(request(1)) {
			t.Error("after its wait the request must wait again")
		}
		if one.Arrived(request(5)) {
			t.Error("a third request is under way, want it to wait")
		}
		one.Wait() // until the others have been under way for too long
		if waited := time.Since(start); waited < time.Second || waited > 2200*time.Millisecond {
			t.Errorf("a request waits for requests without a response for %v, want a second or two", waited)
		}
		if !one.Arrived(request(5)) {
			t.Error("after its wait the request must wait again")
		}
		one.Close()
		other.Close()
		if third := lane.NewStreams(limiter, nil, nil, nil); !third.Arrived(request(1)) || !third.Arrived(request(3)) {
			t.Error("closed connections keep others waiting")
		}
	})
}

func TestAConnectionWithMoreThanItsShareOfOpenRequestsIsClosed(t *testing.T) {
	limiter := limiterOf(lane.Bounds{Strangers: 100, StrangersOpen: 10})
	closed := map[string]bool{}
	connection := func(name string) *lane.Streams {
		return lane.NewStreams(limiter, nil, nil, func() { closed[name] = true })
	}
	greedy, modest := connection("greedy"), connection("modest")
	modest.Arrived(request(1))
	for i := range uint32(9) {
		greedy.Arrived(request(2*i + 1))
		greedy.Sent(begun(2*i + 1)) // but its body is not read
	}
	modest.Sent(ended(1))
	modest.Arrived(request(3))
	if len(closed) != 0 {
		t.Fatalf("with ten requests open, %v are closed", closed)
	}
	modest.Arrived(request(5))
	greedy.Arrived(request(19))
	if !closed["greedy"] || closed["modest"] {
		t.Errorf("with more than ten requests open, %v are closed, want greedy", closed)
	}
}
