package redis_test

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/redis"
)

// A write whose answer is lost is performed once, and is never reported as not performed.
func TestWriteWithoutAnAnswerIsNotRepeated(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	p := startProxy(t, nodes.Nodes()[0].Addr())
	through, err := redis.Open(t.Context(), redis.Options{Addresses: []string{p.address}, Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = through.Close() }()
	add := store.Operation{Kind: store.Increment, Key: "n", Delta: 1}
	do(t, through, add)
	for made := int64(1); made < 20; {
		p.deaf.Store(true)
		_, err := through.Do(t.Context(), add)
		p.deaf.Store(false)
		if err == nil || errors.Is(err, store.ErrUnavailable) { // it was performed before, or not at all
			if err == nil {
				made++
			}
			continue
		}
		wantError(t, "a write without an answer", err, store.ErrUnknownOutcome)
		eventually(t, "reconnect", func() error {
			_, err := through.Do(t.Context(), get("n"))
			return err
		})
		sum := do(t, through, store.Operation{Kind: store.Increment, Key: "n"}).Sum
		if sum > made+1 || sum < made {
			t.Fatalf("the sum is %d after %d acknowledged writes and one without an answer", sum, made)
		}
		made = sum + 1
		do(t, through, add)
	}
}

// proxy forwards connections to a node. While it is deaf, it closes a connection instead of forwarding the node's
// answer.
type proxy struct {
	address string
	deaf    atomic.Bool
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go p.back(client, server)
		}
	}()
	return p
}

func (p *proxy) back(client, server net.Conn) {
	defer func() { _, _ = client.Close(), server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || p.deaf.Load() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
