package rest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"

	"key-value/gateway/rest"
	"key-value/internal/contract"
)

func TestReason(t *testing.T) {
	t.Parallel()
	rows := map[contract.Reason]int{
		contract.KeyNotFound: 404, contract.ETagMismatch: 412, contract.KeyExists: 412, contract.KeyAbsent: 412,
		contract.KeyInvalid: 400, contract.ValueInvalid: 400, contract.TTLInvalid: 400, contract.PageTokenInvalid: 400,
		contract.RequestInvalid: 400, contract.ValueTooLarge: 413, contract.BatchTooLarge: 413, contract.NotAnInteger: 409,
		contract.IntegerOverflow: 409, contract.ResumeTooOld: 410, contract.StoreFull: 507, contract.RateLimited: 429,
		contract.Overloaded: 503, contract.APIKeyInvalid: 401, contract.PermissionDenied: 403,
		contract.ServiceUnavailable: 503, contract.DeadlineExceeded: 504,
	}
	for why, status := range rows {
		t.Run(string(why), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.fail = why.Errorf("what the service says")
			addr := start(t, f, rest.Config{})
			for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
				e := exchange{
					request: method + " /v1/values/hello", body: bodyOf(method),
					status: status, reason: string(why), detail: "What the service says.",
				}
				e.check(t, send(t, addr, e))
			}
		})
	}
}

func TestErrorWithoutReason(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"unimplemented", connect.NewError(connect.CodeUnimplemented, "dial 10.0.0.1"), 501, "UNIMPLEMENTED"},
		{"internal", connect.NewError(connect.CodeInternal, "dial 10.0.0.1"), 500, "INTERNAL"},
		{"unknown", connect.NewError(connect.CodeUnknown, "dial 10.0.0.1"), 500, "INTERNAL"},
		{"data loss", connect.NewError(connect.CodeDataLoss, "dial 10.0.0.1"), 500, "INTERNAL"},
		{"canceled", connect.NewError(connect.CodeCanceled, "dial 10.0.0.1"), 499, "CANCELED"},
		{"unavailable", connect.NewError(connect.CodeUnavailable, "dial 10.0.0.1"), 503, "SERVICE_UNAVAILABLE"},
		{"deadline exceeded", connect.NewError(connect.CodeDeadlineExceeded, "dial 10.0.0.1"), 504, "DEADLINE_EXCEEDED"},
		{"invalid", connect.NewError(connect.CodeInvalidArgument, "dial 10.0.0.1"), 400, "REQUEST_INVALID"},
		{"not found", connect.NewError(connect.CodeNotFound, "dial 10.0.0.1"), 404, "KEY_NOT_FOUND"},
		{"unauthenticated", connect.NewError(connect.CodeUnauthenticated, "dial 10.0.0.1"), 401, "API_KEY_INVALID"},
		{"denied", connect.NewError(connect.CodePermissionDenied, "dial 10.0.0.1"), 403, "PERMISSION_DENIED"},
		{"a message that is too long", connect.NewError(connect.CodeResourceExhausted, "dial 10.0.0.1"), 413, "VALUE_TOO_LARGE"},
		{"an error without a code", errors.New("dial 10.0.0.1"), 500, "INTERNAL"},
		{"a context past its deadline", context.DeadlineExceeded, 504, "DEADLINE_EXCEEDED"},
		{"a context that was canceled", context.Canceled, 499, "CANCELED"},
		{"an unknown reason", contract.Reason("NEW").NewError(connect.CodeUnavailable, nil, "new"), 503, "SERVICE_UNAVAILABLE"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.fail = row.err
			e := exchange{request: "GET /v1/values/hello", status: row.status, reason: row.reason}
			got := send(t, start(t, f, rest.Config{}), e)
			e.check(t, got)
			if strings.Contains(got.text, "10.0.0.1") {
				t.Errorf("the response %s reveals the address of the service", got.text)
			}
		})
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		err  error
		want string
	}{
		{
			name: "every field of a problem", err: contract.APIKeyInvalid.Errorf("no valid key"),
			want: `{"type":"urn:keyvalue:reason:API_KEY_INVALID","title":"Invalid API key","status":401,` +
				`"detail":"No valid key.","reason":"API_KEY_INVALID"}` + "\n",
		},
		{
			name: "metadata in the order of its names",
			err:  contract.KeyNotFound.NewError(connect.CodeNotFound, map[string]string{"operation": "3", "key": "a\"b"}, "gone"),
			want: `{"type":"urn:keyvalue:reason:KEY_NOT_FOUND","title":"Key not found","status":404,` +
				`"detail":"Gone.","reason":"KEY_NOT_FOUND","metadata":{"key":"a\"b","operation":"3"}}` + "\n",
		},
	}
	for message, want := range map[string]string{
		"resume_token is too old": "resume_token is too old.", // names of fields keep their case
		"pageToken is too old":    "pageToken is too old.",
		"Already a sentence.":     "Already a sentence.",
		"overloaded: retry":       "Overloaded: retry.",
	} {
		rows = append(rows, struct {
			name string
			err  error
			want string
		}{"the detail of " + message, contract.RequestInvalid.Errorf("%s", message), `{"type":"urn:keyvalue:reason:REQUEST_INVALID",` +
			`"title":"Invalid request","status":400,"detail":"` + want + `","reason":"REQUEST_INVALID"}` + "\n"})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			rest.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), row.err)
			if got := w.Body.String(); got != row.want {
				t.Errorf("WriteError = %s, want %s", got, row.want)
			}
		})
	}
}

func TestHeadersOfProblems(t *testing.T) {
	t.Parallel()
	rows := []struct {
		why          contract.Reason
		header, want string
	}{
		{contract.APIKeyInvalid, "WWW-Authenticate", `Bearer realm="keyvalue"`},
		{contract.RateLimited, "Retry-After", "1"},
		{contract.Overloaded, "Retry-After", "1"},
		{contract.ServiceUnavailable, "Retry-After", "1"},
		{contract.DeadlineExceeded, "Retry-After", ""},
		{contract.KeyNotFound, "Cache-Control", "no-store"},
	}
	for _, row := range rows {
		w := httptest.NewRecorder()
		rest.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), row.why.Errorf("why"))
		if got := w.Header().Get(row.header); got != row.want {
			t.Errorf("%s answers %s: %q, want %q", row.why, row.header, got, row.want)
		}
	}
}

func TestVaryOfMiddlewareIsKept(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	rest.New(newFake(), rest.Config{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/values/hello", nil))
	if got := strings.Join(w.Header().Values("Vary"), ", "); got != "Origin, Accept, X-Api-Key, Authorization" {
		t.Errorf("Vary is %q, want what was there and what is added", got)
	}
}

// slow responds when its caller cancels the call.
type slow struct {
	keyvaluev1connect.KeyValueServiceClient
}

func (slow) Get(ctx context.Context, _ *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestServiceThatDoesNotRespondIs504(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(rest.New(slow{}, rest.Config{Timeout: time.Millisecond}))
	defer server.Close()
	e := exchange{request: "GET /v1/values/hello", status: 504, reason: "DEADLINE_EXCEEDED"}
	e.check(t, send(t, server.Listener.Addr().String(), e))
}
