package lane_test

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"key-value/internal/server/lane"
)

// What arrives for a known caller must not wait until strangers leave the processor nothing to do. With one processor, it
// mostly runs before the next request of a stranger; not always, because the operating system schedules too.
func TestArrivingCallsRunBeforeTheNextStranger(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	client, server := connected(t)
	const tries = 100
	first := 0
	for range tries {
		if runsBeforeAStranger(t, client, server) {
			first++
		}
	}
	if first < tries/2 {
		t.Errorf("what arrived ran before the next stranger %d times of %d, want most", first, tries)
	}
}

// connected returns both ends of a connection on loopback.
func connected(t *testing.T) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// runsBeforeAStranger reports whether a request that arrives while one stranger is served and another one waits is read
// before that one has its turn.
func runsBeforeAStranger(t *testing.T, client, server net.Conn) bool {
	limiter := limiterOf(lane.Bounds{Strangers: 1})
	one, other := lane.NewStreams(limiter, nil, nil, nil), lane.NewStreams(limiter, nil, nil, nil)
	defer one.Close()
	defer other.Close()
	one.Arrived(request(1))
	if other.Arrived(request(1)) {
		t.Fatal("two strangers are served at once, want one")
	}
	var seen atomic.Bool
	readErr, next := make(chan error, 1), make(chan bool, 1)
	go func() {
		_, err := io.ReadFull(server, make([]byte, 1))
		seen.Store(true)
		readErr <- err
	}()
	go func() {
		other.Wait()
		next <- seen.Load()
	}()
	runtime.Gosched() // with one processor, both wait now
	if _, err := client.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	one.Sent(begun(1))
	saw := <-next
	if err := <-readErr; err != nil {
		t.Fatal(err)
	}
	return saw
}
