package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// newest makes some writes and returns a resume token after them. It checks that a watch resumes from it.
func newest(t *testing.T, kv client) string {
	t.Helper()
	for i := range 50 {
		if _, err := kv.Set(t.Context(), set("there", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(token string) *keyvaluev1.WatchResponse {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		stream, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{}, ResumeToken: token})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		res, err := stream.Receive()
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	token := receive("").GetResumeToken()
	if _, err := kv.Set(t.Context(), set("there", "last")); err != nil {
		t.Fatal(err)
	}
	if got := receive(token).GetEvent().GetEntry().GetValue(); got != "last" {
		t.Fatalf("the watch goes on with %q, want last", got)
	}
	return token
}

// damaged returns the token truncated, extended, and with single characters replaced.
func damaged(token string) (all []string) {
	for i := range len(token) {
		if i != 0 {
			all = append(all, token[:i])
		}
		for _, c := range "0z-" {
			if changed := token[:i] + string(c) + token[i+1:]; changed != token {
				all = append(all, changed)
			}
		}
	}
	return append(all, token+"0", token+token, " "+token, "x")
}

// A damaged token could pass for that of another event, from which the watch would miss or repeat changes.
func TestADamagedResumeTokenIsRejected(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			elsewhere := watchersOf(t, start(t, arrangement.transport(t, newEngine(t))))
			kv := watchersOf(t, start(t, arrangement.transport(t, newEngine(t))))
			for _, token := range damaged(newest(t, kv.rpc["gRPC"])) {
				kv.refuse(t, token, http.StatusBadRequest, contract.RequestInvalid)
			}
			kv.refuse(t, newest(t, elsewhere.rpc["gRPC"]), http.StatusGone, contract.ResumeTooOld)
		})
	}
}

// watchers are the clients of one gateway, over every wire.
type watchers struct {
	rest string            // a URL
	rpc  map[string]client // :: wire → client
}

func watchersOf(t *testing.T, base string) watchers {
	w := watchers{base + "/v1/values:watch?prefix=&resumeToken=", map[string]client{}}
	for _, wire := range wiretest.Wires() {
		w.rpc[wire.Name] = wire.Dial(t, base, "x-api-key", apiKey)
	}
	return w
}

// resume returns the response to a watch over REST, whose body is closed.
func (w watchers) resume(ctx context.Context, t *testing.T, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.rest+url.QueryEscape(token), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func (w watchers) refuse(t *testing.T, token string, status int, why contract.Reason) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res := w.resume(ctx, t, token)
	for res.StatusCode == http.StatusOK && ctx.Err() == nil { // the service took more than a second, on a busy machine
		res = w.resume(ctx, t, token)
	}
	if res.StatusCode != status || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the token %q got %s over REST, want %d and a problem", token, res.Status, status)
	}
	for wire, kv := range w.rpc {
		if err := watchFrom(token)(ctx, kv); contract.ReasonOf(err) != why {
			t.Errorf("the token %q got %v over %s, want %s", token, err, wire, why)
		}
	}
}
