package server_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/wiretest"
)

const (
	// strangerBytes is how much memory a server may need, whatever callers without a key send.
	strangerBytes = 200 << 20
	// besideStrangers is how long nine in ten calls of a caller with a key may take meanwhile, also on a machine that is busy with
	// other things: without a bound calls take many seconds.
	besideStrangers = time.Second
	// besideCalls is how many calls are measured at least, for up to a minute: of six, the slowest would decide.
	besideCalls = 100
	// strangers is how many connections callers without a key open, and strangeRequests how many requests each
	// sends.
	strangers, strangeRequests = 150, 20_000
)

// A server that bounds its requests only by connection needs more than a gigabyte here, and answers others after
// seconds.
func TestStrangersCannotTakeTheServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc, and calls from 127.0.0.2")
	}
	file, err := proc.BuildKV(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	get := []string{":method", "GET", ":scheme", "http", ":authority", "test", ":path"}
	grpc := []string{":method", "POST", ":scheme", "http", ":authority", "test", ":path", "/keyvalue.v1.KeyValueService/Get",
		"content-type", grpcs, "te", "trailers", "x-api-key", "wrong"}
	probe := slices.Replace(slices.Clone(grpc), 7, 8, "/grpc.health.v1.Health/Check")
	for name, flood := range map[string]struct {
		fields []string
		resets bool
	}{
		"REST with a wrong key":                {fields: append(get, "/v1/values/a", "x-api-key", "wrong")},
		"a probe":                              {fields: append(get, "/health")},
		"gRPC with a wrong key":                {fields: grpc},
		"REST with a wrong key, reset at once": {fields: append(get, "/v1/values/a", "x-api-key", "wrong"), resets: true},
		"gRPC with a wrong key, reset at once": {fields: grpc, resets: true},
		"a gRPC probe without its message":     {fields: probe},
	} {
		t.Run(name, func(t *testing.T) {
			var group proc.Group
			t.Cleanup(group.Kill)
			p, err := group.Serve(t.Context(), proc.KV(file, []string{"KV_API_KEY=secret"}, "serve", "--listen", "127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			data := strangeBytes(t, flood.fields, flood.resets)
			var flooding sync.WaitGroup
			for range strangers {
				flooding.Go(func() { strange(ctx, p.Addr, data) })
			}
			took := beside(t, "http://"+p.Addr)
			stop()
			flooding.Wait()
			peak, err := proc.Memory(p.Pid(), "VmHWM")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("peak memory %d MiB; %d calls beside it, p50 %v, p90 %v", peak>>20, len(took), took[len(took)/2], took[len(took)*9/10])
			if peak > strangerBytes {
				t.Errorf("the server needs %d MiB, want at most %d", peak>>20, strangerBytes>>20)
			}
			if p90 := took[len(took)*9/10]; p90 > besideStrangers {
				t.Errorf("nine in ten calls beside it take up to %v, want at most %v", p90, besideStrangers)
			}
		})
	}
}

// strangeBytes returns what each connection of a flood sends. It is made once, so that the flood costs the machine as little
// as possible beside the server.
func strangeBytes(t *testing.T, fields []string, resets bool) []byte {
	encoder := wiretest.NewPeer(t, nil)
	out := bytes.NewBufferString(http2.ClientPreface)
	framer := http2.NewFramer(out, nil)
	_ = framer.WriteSettings() // a buffer returns no error, here and below
	for i := range uint32(strangeRequests) {
		block := encoder.Block(fields...)
		_ = framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 2*i + 1, BlockFragment: block, EndHeaders: true, EndStream: fields[1] == "GET",
		})
		if resets {
			_ = framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}
	}
	return out.Bytes()
}

// strange sends data on one connection after another until ctx is done.
func strange(ctx context.Context, addr string, data []byte) {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		end := context.AfterFunc(ctx, func() { _ = conn.Close() })
		go func() { _, _ = conn.Write(data) }() // until the connection is closed
		_, _ = io.Copy(io.Discard, conn)
		end()
		_ = conn.Close()
	}
}

// beside calls url with a key for at least three seconds and besideCalls times, but for at most a minute, and returns how
// long each call took, in order. The address is not that of the strangers, which may not use the key for a while.
func beside(t *testing.T, url string) []time.Duration {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for first := time.Now(); len(took) < besideCalls && time.Since(first) < time.Minute || time.Since(first) < 3*time.Second; time.Sleep(5 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/values/"+strconv.Itoa(len(took)), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", "secret")
		began := time.Now()
		response, err := client.Do(request)
		if err != nil {
			t.Error(err)
			return []time.Duration{time.Hour}
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("a call with a key gets %d, want 404", response.StatusCode)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took
}
