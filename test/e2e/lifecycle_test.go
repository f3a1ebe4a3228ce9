package e2e_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// servers are the commands that serve, with what they need to start.
var servers = []struct {
	name string
	env  []string
	args []string
}{
	{"serve", []string{"KV_API_KEY=" + apiKey}, []string{"serve"}},
	{"kvservice", []string{"KV_SERVICE_TOKEN=" + serviceToken}, []string{"kvservice"}},
	{"gateway", []string{"KV_API_KEY=" + apiKey}, []string{"gateway", "--service", "http://127.0.0.1:1"}},
}

func TestASignalStopsAServerCleanly(t *testing.T) {
	for _, server := range servers {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(server.name+" on "+signal.String(), func(t *testing.T) {
				p := start(t, append(server.env, "KV_LISTEN=127.0.0.1:0"), server.args...)
				// The connection stays open, and must not delay the server's end.
				if got := status(t, "http://"+p.Addr+"/health"); got != http.StatusOK {
					t.Errorf("GET /health = %d, want 200", got)
				}
				if err := p.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if code := p.wait(t); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
			})
		}
	}
}

func TestAStoppingServerFinishesItsCalls(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			d := d.start(t)
			put := beginPut(t, d.gateway)
			stopping(t, d.gateway)
			if _, err := net.Dial("tcp", d.gateway.Addr); err == nil {
				t.Error("a stopping server accepts new connections")
			}
			if _, err := io.WriteString(put, "end"); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(put)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 201 ") {
				t.Errorf("the call in progress: %q, %v; want 201", answer, err)
			}
			if code := d.gateway.wait(t); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

func TestASecondSignalEndsAServerAtOnce(t *testing.T) {
	server := oneProcess(t).gateway
	beginPut(t, server)
	stopping(t, server)
	// The server takes a moment to stop handling the signal, so the next one may come too early, as it may from a
	// person.
	eventually(t, "another signal ends the server", func() bool {
		select {
		case <-server.Exited():
			return true
		default:
			return server.Signal(syscall.SIGTERM) != nil
		}
	})
	if code := server.wait(t); code != -1 {
		t.Errorf("exit code %d, want an end by the signal", code)
	}
}

func TestCallsThatOutlastTheDrainAreCutOff(t *testing.T) {
	server := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0", "--drain", "50ms")
	beginPut(t, server)
	if code := server.stop(t); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if log := server.Log.String(); !strings.Contains(log, "cut off") {
		t.Errorf("the log does not say that a call was cut off:\n%s", log)
	}
}

// beginPut sends a request without the last three bytes of its body, and returns once the server waits for them.
func beginPut(t *testing.T, p *process) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "PUT /v1/values/slow HTTP/1.1\r\nHost: test\r\nX-Api-Key: "+apiKey+
		"\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	const proceed = "HTTP/1.1 100 Continue\r\n\r\n" // is sent when the handler reads the body
	answer := make([]byte, len(proceed))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != proceed {
		t.Fatalf("got %q, %v; want 100 Continue", answer, err)
	}
	if _, err := io.WriteString(conn, "not"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// stopping sends SIGTERM and returns once the server is stopping.
func stopping(t *testing.T, p *process) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs(t, "msg=stopping")
	eventually(t, "the listener is closed", func() bool {
		conn, err := net.Dial("tcp", p.Addr)
		if err != nil {
			return true
		}
		conn.Close()
		return false
	})
}

func TestAServerRefusesToStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name string
		env  []string
		args string
		code int
		says string
	}{
		{"a gateway without a key", nil, "gateway --listen 127.0.0.1:0", 2, "KV_API_KEY"},
		{
			"a gateway with an invalid service URL", []string{"KV_API_KEY=x"},
			"gateway --listen 127.0.0.1:0 --service localhost", 2, "--service",
		},
		{"a public kvservice without a token", nil, "kvservice --listen 0.0.0.0:0", 2, "KV_SERVICE_TOKEN"},
		{"a public kvservice without a host", nil, "kvservice --listen :0", 2, "KV_SERVICE_TOKEN"},
		{"a public kvservice on IPv6", nil, "kvservice --listen [::]:0", 2, "KV_SERVICE_TOKEN"},
		{"no port", []string{"KV_LISTEN=127.0.0.1"}, "serve", 2, "--listen"},
		{"an unknown log level", nil, "serve --listen 127.0.0.1:0 --log-level loud", 2, "--log-level"},
		{"an invalid number in a variable", []string{"KV_MAX_VALUE_BYTES=many"}, "serve --listen 127.0.0.1:0", 2, "KV_MAX_VALUE_BYTES"},
		{"a collector without a scheme", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1:4318"}, "serve --listen 127.0.0.1:0", 2, "http://127.0.0.1:4318"},
		{
			"propagators that do not exist", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_PROPAGATORS=b3"},
			"serve --listen 127.0.0.1:0", 2, `invalid OTEL_PROPAGATORS "b3"`,
		},
		{"an address in use", nil, "serve --listen " + taken.Addr().String(), 1, "another program uses this port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := launch(t, test.env, kv, strings.Fields(test.args)...)
			if code := p.wait(t); code != test.code || !strings.Contains(p.Log.String(), test.says) {
				t.Errorf("exit code %d, want %d and a message with %q:\n%s", code, test.code, test.says, p.Log)
			}
		})
	}
}

func TestAnInsecureServiceMayListenOnEveryInterface(t *testing.T) {
	start(t, nil, "kvservice", "--listen", "0.0.0.0:0", "--insecure")
}

func TestServeGeneratesAKeyAndPrintsHowToUseIt(t *testing.T) {
	server := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	rest := server.prints(t, "    curl -X PUT (.*)\n")
	got := shell(t, "curl -sS --fail -X PUT "+rest)
	if want := `{"key":"hello","value":"world"}` + "\n"; got.Code != 0 || got.Out != want {
		t.Errorf("the printed command = %+v, want %q", got, want)
	}
	_, key, _ := strings.Cut(rest, "x-api-key: ")
	key, _, _ = strings.Cut(key, `"`)
	if len(key) < 20 || strings.Contains(server.Log.String(), key) {
		t.Errorf("the key %q is short, or in the log:\n%s", key, server.Log)
	}
	other := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	other.prints(t, "    curl -X PUT .*\n")
	if strings.Contains(other.Out.String(), key) {
		t.Errorf("two servers generated the same key %q", key)
	}
}
