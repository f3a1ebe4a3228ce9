package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/tlstest"
)

func TestMistakesOfANetworkGetSentences(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	plain := serving(t)["KV_URL"]
	cert, certKey := tlstest.NewAuthority(t).Files(t, tlstest.Leaf{})
	tlsAddr := strings.TrimPrefix(startKV(t, map[string]string{"KV_API_KEY": "secret", "KV_TLS_CERT": cert, "KV_TLS_KEY": certKey}, "serve").url, "http://")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--listen", port}, 1, "kv: cannot listen on " + port + ": another program uses this port\n"},
		{[]string{"gateway", "--listen", port}, 1, "kv: cannot listen on " + port + ": another program uses this port\n"},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", port}, 1, "kv: cannot listen on " + port + ": another program uses this port\n"},
		{[]string{"serve", "--listen", "192.0.2.1:0"}, 1, "kv: cannot listen on 192.0.2.1:0: this machine does not have this address\n"},
		{[]string{"get", "a", "--url", secure(plain)}, 5, "kv: the server does not use TLS: use http://\n"},
		{[]string{"healthcheck", secure(plain)}, 1, "kv: " + secure(plain) + " is not ready: the server does not use TLS: use http://\n"},
		{[]string{"get", "a", "--url", "127.0.0.1:1"}, 5, "kv: cannot connect to 127.0.0.1:1: connection refused: no server listens there; start the store with kv serve, or set --url or KV_URL to its address\n"},
		{[]string{"get", "a", "--url", "http://127.0.0.1:99999"}, 2, "kv: invalid service URL \"http://127.0.0.1:99999\": want a port from 1 to 65535\n"},
		{[]string{"get", "a", "--url", "http://127.0.0.1:1/%zz"}, 2, "kv: invalid service URL \"http://127.0.0.1:1/%zz\": want http://host:port\n"},
		{[]string{"ls", "--limit", "some"}, 2, "kv: invalid argument \"some\" for \"--limit\" flag: want a whole number\n"},
		{[]string{"ls", "--limit", "99999999999999999999"}, 2, "kv: invalid argument \"99999999999999999999\" for \"--limit\" flag: the number is out of range\n"},
		{[]string{"bench", "--read-ratio", "half"}, 2, "kv: invalid argument \"half\" for \"--read-ratio\" flag: want a number\n"},
		{[]string{"export", "--resume=maybe"}, 2, "kv: invalid argument \"maybe\" for \"--resume\" flag: want true or false\n"},
		{[]string{"gateway", "--service", "nowhere"}, 2, "kv: --service: invalid service URL \"nowhere\": want http://host:port\n"},
		{[]string{"get", "a\xff", "--url", plain}, 1, "kv: the request has text that is not valid UTF-8, such as its key\n"},
		{[]string{"ls", "a\xff", "--url", plain}, 1, "kv: the request has text that is not valid UTF-8, such as its key\n"},
		{[]string{"watch", "--prefix", "a\xff", "--url", plain}, 1, "kv: the request has text that is not valid UTF-8, such as its key\n"},
	} {
		if got := kv(t, key, "", test.args...); got.code != test.code || !strings.HasSuffix("\n"+got.err, "\n"+test.want) {
			t.Errorf("kv %q = %+v, want code %d and %q", test.args, got, test.code, test.want)
		}
	}
	for _, command := range []string{"get", "ls", "del"} { // each on a new connection, which fails at another step
		got := kv(t, key, "", command, "a", "--url", "http://"+tlsAddr)
		if got.code != 5 || !strings.HasSuffix(got.err, "; if the server requires TLS, use https://\n") || strings.Contains(got.err, "http2:") {
			t.Errorf("kv %s from a port that requires TLS = %+v, want advice to use https://", command, got)
		}
	}
}

// Another program listens where a store should.
func TestAnswersOfOtherProgramsGetSentences(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") == "found" {
			_, _ = io.WriteString(w, "<html>")
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(web.Close)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.WriteString(conn, strings.Repeat("<html>this is not HTTP", 1000))
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	for _, command := range []string{"get a", "ls", "caller", "watch a", "del --all --yes"} {
		check(t, map[string]string{"KV_URL": web.URL, "KV_API_KEY": "x"}, "", command, wants{1, "", `kv: .*404 Not Found; is there a kv store at ` + web.URL + `\?\n`})
		check(t, map[string]string{"KV_URL": web.URL, "KV_API_KEY": "found"}, "", command, wants{1, "", `kv: .*; is there a kv store at ` + web.URL + `\?\n`})
		url := "http://" + other.Addr().String()
		check(t, map[string]string{"KV_URL": url}, "", command, wants{5, "", // by how far the call got
			`kv: the server (does not speak HTTP; is there a kv store at ` + url + `\?|closed the connection without an answer; .*)\n`})
	}
}

func TestAURLNeedsNoScheme(t *testing.T) {
	t.Parallel()
	env := serving(t)
	addr := strings.TrimPrefix(env["KV_URL"], "http://")
	for _, url := range []string{addr, strings.Replace(addr, "127.0.0.1", "localhost", 1)} {
		env["KV_URL"] = url
		check(t, env, "", "set a 1", wants{})
		check(t, map[string]string{"KV_API_KEY": "secret"}, "", "get a --url "+url, wants{out: "1"})
		check(t, nil, "", "healthcheck "+url, wants{})
	}
	gateway := startKV(t, map[string]string{"KV_API_KEY": "secret"}, "gateway", "--service",
		strings.TrimPrefix(startKV(t, nil, "kvservice").url, "http://"))
	check(t, map[string]string{"KV_API_KEY": "secret", "KV_URL": gateway.url}, "", "set a 1", wants{})
}

// Values as long as a server can be told to take are read without a setting of the client.
func TestLongValuesAreReadByEveryCommand(t *testing.T) {
	t.Parallel()
	env := serving(t, "--max-value-bytes", "67108864")
	for name, size := range map[string]int{"a": 6_900_000, "b": 6_900_000, "c": 13 << 20} {
		if got := kv(t, env, strings.Repeat(name, size), "set", name); got.code != 0 {
			t.Fatalf("kv set of %d bytes = %+v", size, got)
		}
		if got := kv(t, env, "", "get", name); got.code != 0 || len(got.out) != size {
			t.Errorf("kv get of %d bytes = code %d, %d bytes, %s", size, got.code, len(got.out), got.err)
		}
	}
	all := 2*6_900_000 + 13<<20
	for _, args := range [][]string{{"ls", "-o", "json"}, {"export"}, {"watch", "c", "--snapshot", "--once", "-o", "json"}} {
		least := all
		if args[0] == "watch" {
			least = 13 << 20
		}
		if got := kv(t, env, "", args...); got.code != 0 || len(got.out) < least {
			t.Errorf("kv %v = code %d, %d bytes, %s; want at least %d bytes", args, got.code, len(got.out), got.err, least)
		}
	}
}

// What ^C ends says so, in the same word, whatever the command was waiting for.
func TestAnInterruptedCallIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	env := startHandler(t, waiter{interrupt: interrupt})
	var log bytes.Buffer
	code := run(ctx, "test", []string{"get", "a"}, streams{strings.NewReader(""), &log, &log}, clientEnv(env))
	if code != 130 || log.String() != "kv: interrupted\n" {
		t.Errorf("the interrupted kv get = code %d, %q; want 130", code, log.String())
	}
}

// waiter is a store whose answers come after the caller was interrupted and has left.
type waiter struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler

	interrupt func()
}

func (w waiter) Get(ctx context.Context, _ *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	w.interrupt()
	<-ctx.Done()
	return nil, ctx.Err()
}
