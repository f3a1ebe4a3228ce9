package proxies_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wiretest"
)

// trusting are the flags with which the store believes the proxies of the tests.
var trusting = []string{"--trusted-proxies", "127.0.0.1"}

// forged are headers by which a caller claims to be someone else.
var forged = []string{"X-Forwarded-For", "198.51.100.9", "Forwarded", "for=198.51.100.9", "X-Real-IP", "198.51.100.9"}

// getFrom asks for a key over REST and returns the status.
func (s *stage) getFrom(t *testing.T, client *http.Client, url, apiKey string) int {
	t.Helper()
	res := ask(t.Context(), t, client, http.MethodGet, url+"/v1/values/a", "", append([]string{"X-Api-Key", apiKey}, forged...)...)
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func TestTheStoreKnowsTheCallerBehindAProxy(t *testing.T) {
	behindEach(t, trusting, func(t *testing.T, s *stage) {
		for i, http2 := range []bool{false, true} {
			caller := fmt.Sprint("127.0.0.", 10+i)
			s.getFrom(t, clientFrom(t, caller, http2), s.url, apiKey)
			s.wantLogged(t, "request method=GET", caller)
		}
		for i, option := range []connecthttp.Option{connecthttp.WithGRPC(), connecthttp.WithGRPCWeb(), connecthttp.WithSendCodec("proto")} {
			caller := fmt.Sprint("127.0.0.", 20+i)
			transport := connecthttp.NewTransport(clientFrom(t, caller, true), s.url, option)
			client := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(
				wiretest.WithHeader(transport, append([]string{"X-Api-Key", apiKey}, forged...)...)))
			if _, err := client.List(t.Context(), &keyvaluev1.ListRequest{}); err != nil {
				t.Fatal(err)
			}
			s.wantLogged(t, "call procedure=/keyvalue.v1.KeyValueService/List", caller)
		}
	})
}

// wantLogged waits for the log line about a request of a caller.
func (s *stage) wantLogged(t *testing.T, request, caller string) {
	t.Helper()
	if _, err := s.store.WaitFor(t.Context(), s.store.Log, "msg="+request+` .*peer=`+caller+" "); err != nil {
		t.Errorf("the log does not name the caller: %v", err)
	}
}

// One caller's wrong keys made the store refuse the right key of every caller behind the same proxy.
func TestWrongKeysBehindAProxyLockOutOnlyTheirSender(t *testing.T) {
	behindEach(t, append([]string{"--auth-failures", "1"}, trusting...), func(t *testing.T, s *stage) {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
				guesser, other := clientFrom(t, "127.0.0.8", http2), clientFrom(t, "127.0.0.9", http2)
				refused := 0
				for range 64 {
					if s.getFrom(t, guesser, s.url, "wrong") == http.StatusTooManyRequests {
						refused++
					}
				}
				if refused == 0 {
					t.Fatal("64 wrong keys in a row are not too many")
				}
				if got := s.getFrom(t, other, s.url, apiKey); got != http.StatusNotFound {
					t.Errorf("the right key of another caller = %d, want %d", got, http.StatusNotFound)
				}
				if got := s.getFrom(t, clientFrom(t, "127.0.0.1", false), s.direct(), apiKey); got != http.StatusNotFound {
					t.Errorf("the right key without the proxy = %d, want %d", got, http.StatusNotFound)
				}
			})
		}
	})
}
