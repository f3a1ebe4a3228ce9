package gateway_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// watched opens a watch and waits for its first event. The channel receives the error that ends it.
func watched(t *testing.T, kv client, prefix string) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	stream, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: prefix}})
	if err == nil {
		_, err = stream.Receive()
	}
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() {
		defer stream.Close()
		for {
			if _, err := stream.Receive(); err != nil {
				end <- err
				return
			}
		}
	}()
	return end
}

// watchedOverREST opens an event stream. The channel receives its last line when it ends.
func watchedOverREST(t *testing.T, url string, header ...string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %v, %v", url, res, err)
	}
	end := make(chan string, 1)
	go func() {
		defer res.Body.Close()
		last := ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() != "" {
				last = lines.Text()
			}
		}
		end <- last
	}()
	return end
}

// A stream ends when its key loses the right to it, on every wire.
func TestALostRightEndsOpenStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*auth.Record)
		want   contract.Reason
	}{
		"revoked": {func(r *auth.Record) { r.Status = auth.Revoked }, contract.APIKeyInvalid},
		"expired": {func(r *auth.Record) { r.Expires = time.Now() }, contract.APIKeyInvalid},
		"rotated": {func(r *auth.Record) { r.SHA256 = auth.HashOf("another") }, contract.APIKeyInvalid},
		"shrunk":  {func(r *auth.Record) { r.Grants[0].Prefix = "in/side/" }, contract.PermissionDenied},
		"written": {func(r *auth.Record) { r.Grants[0].Ops = write }, contract.PermissionDenied},
	} {
		for _, arrangement := range arrangements {
			t.Run(name+"/"+arrangement.name, func(t *testing.T) {
				t.Parallel()
				k := newKeyring(t)
				k.add("lost", "in/", read|write)
				k.add("kept", "in/", read)
				url := k.start(arrangement.transport(t, newEngine(t)))
				ends := map[string]<-chan error{}
				for _, wire := range wiretest.Wires() {
					ends[wire.Name] = watched(t, wire.Dial(t, url, k.header("lost")...), "in/")
				}
				kept := watched(t, wiretest.Wires()[0].Dial(t, url, k.header("kept")...), "in/")
				events := watchedOverREST(t, url+"/v1/values:watch?prefix=in/", k.header("lost")...)
				k.edit(func(f *auth.File) { test.change(f.Find("lost")) })
				for wire, end := range ends {
					if err := <-end; contract.ReasonOf(err) != test.want || connect.CodeOf(err) != test.want.Code() {
						t.Errorf("the watch over %s ended with %v, want %s", wire, err, test.want)
					}
				}
				if last := <-events; !strings.Contains(last, string(test.want)) {
					t.Errorf("the event stream ended with %q, want %s", last, test.want)
				}
				select {
				case err := <-kept:
					t.Errorf("the watch of another key ended with %v", err)
				default:
				}
			})
		}
	}
}

// A key expires on time although the file does not change then.
func TestAnExpiredKeyEndsOpenStreams(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.add("brief", "", read|write)
	url := k.start(arrangements[0].transport(t, newEngine(t)))
	end := watched(t, wiretest.Wires()[0].Dial(t, url, k.header("brief")...), "")
	put := ask(t, http.MethodPut, url+"/v1/values/a", "1", "Content-Type", "text/plain")
	k.edit(func(f *auth.File) { f.Find("brief").Expires = time.Now().Add(3 * time.Second) }) // read about a second later
	poll := askAs(t, http.MethodGet, url+"/v1/values/a", "",
		append(k.header("brief"), "If-None-Match", put.header.Get("ETag"), "Prefer", "wait=45")...)
	if poll.status != http.StatusUnauthorized {
		t.Errorf("the long poll ended with %d %s, want 401", poll.status, poll.body)
	}
	if err := <-end; contract.ReasonOf(err) != contract.APIKeyInvalid {
		t.Errorf("the watch ended with %v, want API_KEY_INVALID", err)
	}
}

// from returns an HTTP client that calls from this local address.
func from(t *testing.T, address string) *http.Client {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestOnlyAnAddressWithWrongKeysMustWait(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	k.add("good", "", read|write)
	url := k.start(arrangements[0].transport(t, newEngine(t)), func(c *auth.Config) { c.FailuresPerSecond = 1 })
	guesser, other := from(t, "127.0.0.2"), from(t, "127.0.0.3")
	status := func(client *http.Client, key string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/values", nil)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("X-Api-Key", key)
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer res.Body.Close()
		return res.StatusCode, res.Header.Get("Retry-After")
	}
	codes := make(chan int, 60)
	var guesses sync.WaitGroup
	for range 6 { // concurrently, because each answer is delayed
		guesses.Go(func() {
			for range 10 {
				code, _ := status(guesser, "wrong")
				codes <- code
			}
		})
	}
	guesses.Wait()
	close(codes)
	got := map[int]int{}
	for code := range codes {
		got[code]++
	}
	if got[401] < 10 || got[401] > 50 || got[401]+got[429] != 60 || got[429] == 0 {
		t.Errorf("60 wrong keys get %v, want some 401 and then 429", got)
	}
	for name, test := range map[string]struct {
		client *http.Client
		key    string
		want   int
	}{
		"the guesser's next wrong key":       {guesser, "wrong", 429},
		"a chosen key, found by guessing":    {guesser, apiKey, 429},
		"a generated key, of the file":       {guesser, k.key["good"], 200},
		"another address, a wrong key":       {other, "wrong", 401},
		"another address, a chosen key":      {other, apiKey, 200},
		"another address, a key of the file": {other, k.key["good"], 200},
	} {
		code, wait := 0, ""
		for range 30 { // one wrong key a second gets 401, which can be this one
			for code = http.StatusUnauthorized; code == http.StatusUnauthorized; {
				code, _ = status(guesser, "wrong")
			}
			if code, wait = status(test.client, test.key); code == test.want {
				break
			}
		}
		if code != test.want || (code == 429) != (wait != "") {
			t.Errorf("%s = %d, Retry-After %q; want %d", name, code, wait, test.want)
		}
	}
}
