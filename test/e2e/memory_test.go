package e2e_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

const (
	// memoryLimit is what each process may use, and mostGrown by how much its resident memory may grow in an attack: what
	// may be in flight, which is a quarter of the limit at most, and garbage that is not collected yet.
	memoryLimit = "512MiB"
	mostGrown   = 192 * mebibyte
)

// unfinished is 6 MiB of a body, or of a message, that is a byte longer.
var unfinished = bytes.Repeat([]byte("["), 6*mebibyte)

// page asks for eight values of 1 MiB, as protobuf, and everything for all changes.
var (
	page       = []byte("\x0a\x04big/\x10\xe8\x07")
	everything = []byte("\x12\x00")
)

// attacks are ways to have a server keep memory, with a valid key.
var attacks = []struct {
	name string
	make func(t *testing.T, c *crowd)
}{
	{"batches that do not end", func(t *testing.T, c *crowd) {
		for range 200 {
			c.send(t, fmt.Sprintf("POST /v1/values:batch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
				len(unfinished)+1), unfinished)
		}
	}},
	{"chunked batches that do not end", func(t *testing.T, c *crowd) {
		chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(unfinished), unfinished)
		for range 200 {
			c.send(t, "POST /v1/values:batch HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunk)
		}
	}},
	{"Connect messages that do not end", func(t *testing.T, c *crowd) {
		for range 60 {
			c.http2(t).call("application/proto", "Batch", unfinished, false)
		}
	}},
	{"gRPC-Web messages that do not end", func(t *testing.T, c *crowd) {
		for range 60 {
			c.http2(t).call("application/grpc-web+proto", "Batch", message(len(unfinished)+1, unfinished), false)
		}
	}},
	{"gRPC messages that do not end", func(t *testing.T, c *crowd) {
		for range 6 {
			p := c.http2(t)
			for range 10 {
				p.call("application/grpc", "Batch", message(len(unfinished)+1, unfinished), false)
			}
		}
	}},
	{"lists that nobody reads", func(t *testing.T, c *crowd) {
		for range 60 {
			c.send(t, "GET /v1/values?prefix=big/ HTTP/1.1\r\n", nil)
		}
	}},
	{"Connect lists that nobody reads", func(t *testing.T, c *crowd) {
		for range 6 {
			p := c.http2(t)
			for range 10 {
				p.call("application/proto", "List", page, true)
			}
		}
	}},
	{"gRPC lists that nobody reads", func(t *testing.T, c *crowd) {
		for range 6 {
			p := c.http2(t)
			for range 10 {
				p.call("application/grpc", "List", message(len(page), page), true)
			}
		}
	}},
	{"watches that nobody reads", func(t *testing.T, c *crowd) {
		for i := range 60 {
			c.send(t, "GET /v1/values:watch?prefix= HTTP/1.1\r\n", nil)
			putSome(t, c, i)
		}
	}},
	{"watches of snapshots that nobody reads", func(t *testing.T, c *crowd) {
		for i := range 60 {
			c.send(t, "GET /v1/values:watch?prefix=&snapshot=true HTTP/1.1\r\n", nil)
			putSome(t, c, i)
		}
	}},
	{"gRPC watches that nobody reads", func(t *testing.T, c *crowd) {
		for i := range 60 {
			c.http2(t).call("application/grpc", "Watch", message(len(everything), everything), true)
			putSome(t, c, i)
		}
	}},
}

// putSome stores a few values between two watches, so that those wait at different changes.
func putSome(t *testing.T, c *crowd, i int) {
	if i%4 == 3 {
		for n := range 12 {
			c.put(t, fmt.Sprint("new/", n%4), mebibyte)
		}
	}
}

// shared are deployments with the keys greedy and modest, whose processes may use memoryLimit.
func shared(t *testing.T) map[string]func(t *testing.T) (d deployment, greedy, modest string) {
	file := filepath.Join(t.TempDir(), "keys.json")
	create := func(id string) string {
		got := client(t, nil, "", "keys", "create", "--file", file, "--id", id)
		key := regexp.MustCompile(`kv_` + id + `_\w+`).FindString(got.Out)
		if key == "" {
			t.Fatalf("kv keys create = %+v", got)
		}
		return key
	}
	greedy, modest := create("greedy"), create("modest")
	env := []string{"KV_MEMORY_LIMIT=" + memoryLimit, "KV_SERVICE_TOKEN=" + serviceToken}
	return map[string]func(t *testing.T) (deployment, string, string){
		"one process": func(t *testing.T) (deployment, string, string) {
			server := start(t, env[:1], "serve", "--listen", "127.0.0.1:0", "--api-keys-file", file)
			return ready(t, deployment{gateway: server}), greedy, modest
		},
		"two processes": func(t *testing.T) (deployment, string, string) {
			service := start(t, env, "kvservice", "--listen", "127.0.0.1:0")
			gateway := start(t, env, "gateway", "--listen", "127.0.0.1:0", "--api-keys-file", file, "--service", "http://"+service.Addr)
			return ready(t, deployment{gateway: gateway, service: service}), greedy, modest
		},
	}
}

func TestAKeyCannotPinMemory(t *testing.T) {
	for where, start := range shared(t) {
		for _, attack := range attacks {
			t.Run(where+" "+attack.name, func(t *testing.T) {
				t.Parallel()
				d, greedy, modest := start(t)
				c := &crowd{addr: d.gateway.Addr, key: greedy}
				for i := range 8 {
					c.put(t, fmt.Sprint("big/", i), mebibyte)
				}
				processes := []*process{d.gateway}
				if d.service != nil {
					processes = append(processes, d.service)
				}
				before := make([]int64, len(processes))
				for i, p := range processes {
					before[i] = resident(t, p, "VmRSS")
					if err := proc.ForgetPeak(p.Pid()); err != nil {
						t.Fatal(err)
					}
				}
				defer c.leave()
				attack.make(t, c)
				settle(t, processes)
				other := &crowd{addr: d.gateway.Addr, key: modest}
				other.put(t, "other", mebibyte)
				for i, p := range processes {
					grown := resident(t, p, "VmHWM") - before[i]
					t.Logf("%s: from %d MiB by %d MiB", p, before[i]>>20, grown>>20)
					if grown > mostGrown {
						t.Errorf("%s: %d unfinished requests take %d MiB, want at most %d", p, len(c.conns), grown>>20, mostGrown>>20)
					}
				}
			})
		}
	}
}

// settle waits until the processes take no more memory for a while.
func settle(t *testing.T, processes []*process) {
	last, since := int64(0), time.Now()
	for deadline := time.Now().Add(patience); time.Since(since) < time.Second && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var now int64
		for _, p := range processes {
			now += resident(t, p, "VmHWM")
		}
		if now > last {
			last, since = now, time.Now()
		}
	}
}

func resident(t *testing.T, p *process, name string) int64 {
	t.Helper()
	n, err := proc.Memory(p.Pid(), name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheLogTellsHowMemoryIsDivided(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		args string
		want string
	}{
		"serve": {
			[]string{"KV_API_KEY=" + apiKey}, "serve --memory-limit 1GiB",
			`msg=memory limit=1024MiB from=--memory-limit in_flight=128MiB .* entries=512MiB history=16MiB`,
		},
		"explicit flags": {
			[]string{"KV_API_KEY=" + apiKey, "KV_MAX_WATCHES=5"}, "serve --memory-limit 1GiB --max-memory 100MiB --max-in-flight 32MiB",
			`msg=memory limit=1024MiB from=--memory-limit in_flight=32MiB .* watches=5 .* entries=100MiB history=8MiB`,
		},
		"gateway": {
			[]string{"KV_API_KEY=" + apiKey}, "gateway --memory-limit 1GiB",
			`msg=memory limit=1024MiB from=--memory-limit in_flight=256MiB connections=\d+ watches=\d+ calls=\d+\n`,
		},
		"of the machine": {[]string{"KV_API_KEY=" + apiKey}, "serve", `msg=memory limit=\d+MiB from=(cgroup|machine) `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, test.env, append(strings.Fields(test.args), "--listen", "127.0.0.1:0")...).logs(t, test.want)
		})
	}
}
