package hop_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/hop"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

// recorder records what a layer sees.
type recorder struct {
	mu   sync.Mutex
	seen []string // guarded by mu
}

// layer records name, and the names of the headers that are set when a request reaches it.
func (r *recorder) layer(name string) hop.Layer {
	return func(next connect.Transport) connect.Transport { return recording{next, r, name} }
}

type recording struct {
	next connect.Transport
	*recorder
	name string
}

func (r recording) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	info, _ := connect.CallInfoForClientContext(ctx)
	r.mu.Lock()
	r.seen = append(r.seen, r.name)
	for name := range info.RequestHeader().All() {
		r.seen = append(r.seen, "with "+name)
	}
	r.mu.Unlock()
	return r.next.NewClientStream(ctx, spec)
}

func TestLayersAreInOrder(t *testing.T) {
	t.Parallel()
	var r recorder
	service := rpc.InProcess(procedures(kvservice.New(newEngine(t), kvservice.Config{})))
	kv := hop.NewClient(r.layer("service")(service), hop.Config{
		Library: true, Retry: true, Breaker: true, Batch: true,
		Measure: r.layer("measure"), Trace: r.layer("trace"), RequestID: r.layer("request id"), Explain: r.layer("explain"),
		Credential: hop.APIKey("secret"),
	})
	if err := calls["Set"](t.Context(), kv); err != nil {
		t.Fatal(err)
	}
	want := []string{"measure", "trace", "request id", "explain", "service", "with " + strings.ToLower(auth.Header)}
	for i := range r.seen {
		r.seen[i] = strings.ReplaceAll(r.seen[i], auth.Header, strings.ToLower(auth.Header))
	}
	if !slices.Equal(r.seen, want) {
		t.Errorf("a call passed %q, want %q", r.seen, want)
	}
}

// A configuration that was forgotten must not open the service to everyone.
func TestCallsAreAuthorizedUnlessTheyAreTheProgramsOwn(t *testing.T) {
	t.Parallel()
	service := rpc.InProcess(procedures(kvservice.New(newEngine(t), kvservice.Config{})))
	kv := hop.NewClient(service, hop.Config{Log: slog.New(slog.DiscardHandler)})
	for name, call := range calls {
		if err := call(t.Context(), kv); contract.ReasonOf(err) != contract.APIKeyInvalid {
			t.Errorf("%s without a principal = %v, want API_KEY_INVALID", name, err)
		}
		if err := call(auth.NewContext(t.Context(), auth.Internal("test")), kv); err != nil {
			t.Errorf("%s with a principal = %v", name, err)
		}
	}
}

func TestCredentialsAreSent(t *testing.T) {
	t.Parallel()
	service := rpc.NewServer(kvservice.New(newEngine(t), kvservice.Config{}), rpc.Config{
		Checks: admission.NewChecks(auth.Single("default", "secret"), nil),
		Ready:  func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	url := wiretest.ServeRPC(t, mount(service), service)
	for _, test := range []struct {
		name       string
		credential hop.Credential
		want       contract.Reason
	}{
		{"an API key", hop.APIKey("secret"), ""},
		{"a token", hop.Bearer("secret"), ""},
		{"a wrong token", hop.Bearer("wrong"), contract.APIKeyInvalid},
		{"an empty API key", hop.APIKey(""), contract.APIKeyInvalid},
		{"an empty token", hop.Bearer(""), contract.APIKeyInvalid},
		{"nothing", hop.Credential{}, contract.APIKeyInvalid},
	} {
		err := calls["Set"](t.Context(), dial(t, url, hop.Config{Library: true, Credential: test.credential}))
		if contract.ReasonOf(err) != test.want {
			t.Errorf("with %s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestServiceURLsAreChecked(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "127.0.0.1:8888", "localhost:8888", "ftp://127.0.0.1", "http://", "http://%zz"} {
		_, err := hop.HTTP(target, hop.HTTPConfig{})
		if want := `invalid service URL "` + target + `": want http://host:port`; err == nil || err.Error() != want {
			t.Errorf("HTTP(%q) = %v, want %s", target, err, want)
		}
	}
}

func TestFailuresAreClassified(t *testing.T) {
	t.Parallel()
	unmarshalable := &keyvaluev1.GetRequest{Key: "\xff"}
	for _, test := range []struct {
		name string
		req  *keyvaluev1.GetRequest
		err  error
		want contract.Reason
	}{
		{"the service's reason", nil, contract.StoreFull.Errorf("x"), contract.StoreFull},
		{"the code of a proxy", nil, connect.NewError(connect.CodePermissionDenied, "x").WithRemote(), contract.PermissionDenied},
		{"a word that this program does not know", nil, contract.Reason("NEW").NewError(connect.CodeUnavailable, nil, "x").WithRemote(), contract.ServiceUnavailable},
		{"an internal error of the service", nil, connect.NewError(connect.CodeInternal, "x").WithRemote(), ""},
		{"a request that cannot be encoded", unmarshalable, connect.NewError(connect.CodeInternal, "x"), contract.RequestInvalid},
		{"a connection that failed", nil, errors.New("reset"), contract.ServiceUnavailable},
		{"a stream that was cut", nil, connect.NewError(connect.CodeInternal, "x").WithCause(errors.New("eof")), contract.ServiceUnavailable},
		{"an answer that is too large", nil, connect.NewError(connect.CodeResourceExhausted, "x"), contract.ValueTooLarge},
		{"an answer that came too late", nil, connect.NewError(connect.CodeDeadlineExceeded, "x"), contract.DeadlineExceeded},
		{"a redirect", nil, connect.NewError(connect.CodeUnavailable, "x").WithCause(hop.ErrRedirect), ""},
		{"a wrong address", nil, connect.NewError(connect.CodeUnimplemented, http.StatusText(http.StatusNotFound)), ""},
	} {
		if got := hop.Classify(test.req, test.err); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
