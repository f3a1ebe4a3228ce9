package gateway_test

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice/store"
)

type client = keyvaluev1connect.KeyValueServiceClient

func set(key, value string) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}}
}

// failing is an engine whose operations fail.
type failing struct {
	store.Engine
	err error
}

func (f failing) Do(context.Context, store.Operation) (store.Result, error) {
	return store.Result{}, f.err
}

// hanging is an engine that never responds.
type hanging struct{ store.Engine }

func (hanging) Do(ctx context.Context, _ store.Operation) (store.Result, error) {
	<-ctx.Done()
	return store.Result{}, ctx.Err()
}

// restRequest is a request to the path below the gateway's URL.
type restRequest struct {
	method, path, body string
	header             []string
}

// row is a reason, its status, and the REST request and the RPC that fail with it. The key "there" exists.
type row struct {
	reason contract.Reason
	status int
	engine func(store.Engine) store.Engine // nil: the memory engine
	rest   restRequest
	rpc    func(ctx context.Context, kv client) error
}

func rows() []row {
	json := []string{"Content-Type", "application/json"}
	plain := []string{"Content-Type", "text/plain"}
	doSet := func(req *keyvaluev1.SetRequest) func(context.Context, client) error {
		return func(ctx context.Context, kv client) error {
			_, err := kv.Set(ctx, req)
			return err
		}
	}
	doGet := func(key string) func(context.Context, client) error {
		return func(ctx context.Context, kv client) error {
			_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: key})
			return err
		}
	}
	guarded := func(key string, p *keyvaluev1.Precondition) *keyvaluev1.SetRequest {
		req := set(key, "x")
		req.Precondition = p
		return req
	}
	doIncrement := func(delta int64) func(context.Context, client) error {
		return func(ctx context.Context, kv client) error {
			_, err := kv.Increment(ctx, &keyvaluev1.IncrementRequest{Key: "there", Delta: delta})
			return err
		}
	}
	brief := set("there", "x")
	brief.Ttl = durationpb.New(-1)
	fails := func(err error) func(store.Engine) store.Engine {
		return func(e store.Engine) store.Engine { return failing{e, err} }
	}
	return []row{
		{contract.KeyNotFound, 404, nil, restRequest{"GET", "/v1/values/nope", "", nil}, doGet("nope")},
		{contract.ETagMismatch, 412, nil,
			restRequest{"PUT", "/v1/values/there", "x", append(plain, "If-Match", `"nonsense"`)},
			doSet(guarded("there", &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: "nonsense"}}))},
		{contract.KeyExists, 412, nil,
			restRequest{"PUT", "/v1/values/there", "x", append(plain, "If-None-Match", "*")},
			doSet(guarded("there", &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: false}}))},
		{contract.KeyAbsent, 412, nil,
			restRequest{"PUT", "/v1/values/nope", "x", append(plain, "If-Match", "*")},
			doSet(guarded("nope", &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: true}}))},
		{contract.KeyInvalid, 400, nil, restRequest{"GET", "/v1/values/%00", "", nil}, doGet("\x00")},
		{contract.ValueInvalid, 400, nil, restRequest{"PUT", "/v1/values", `{"key":"there"}`, json},
			doSet(&keyvaluev1.SetRequest{Key: "there"})},
		{contract.TTLInvalid, 400, nil, restRequest{"PUT", "/v1/values/there?ttl=-1s", "x", plain}, doSet(brief)},
		{contract.RequestInvalid, 400, nil, restRequest{"PUT", "/v1/values", `{"key":`, json},
			doSet(guarded("there", &keyvaluev1.Precondition{}))},
		{contract.ValueTooLarge, 413, nil,
			restRequest{"PUT", "/v1/values/there", strings.Repeat("x", contract.DefaultValueBytes+1), plain},
			doSet(set("there", strings.Repeat("x", contract.DefaultValueBytes+1)))},
		{contract.PageTokenInvalid, 400, nil, restRequest{"GET", "/v1/values?pageToken=x", "", nil},
			func(ctx context.Context, kv client) error {
				_, err := kv.List(ctx, &keyvaluev1.ListRequest{PageToken: "x"})
				return err
			}},
		{contract.BatchTooLarge, 413, nil,
			restRequest{"POST", "/v1/values:batch", `{"operations":[` + strings.Repeat("{},", contract.MaxOperations) + `{}]}`, json},
			func(ctx context.Context, kv client) error {
				operations := slices.Repeat([]*keyvaluev1.Operation{{}}, contract.MaxOperations+1)
				_, err := kv.Batch(ctx, &keyvaluev1.BatchRequest{Operations: operations})
				return err
			}},
		{contract.NotAnInteger, 409, fails(store.ErrNotInteger),
			restRequest{"POST", "/v1/values:increment", `{"key":"there","delta":1}`, json}, doIncrement(1)},
		{contract.IntegerOverflow, 409, nil,
			restRequest{"POST", "/v1/values:increment", `{"key":"there","delta":"9223372036854775807"}`, json}, doIncrement(math.MaxInt64)},
		{contract.ResumeTooOld, 410, nil, restRequest{"GET", "/v1/values:watch?prefix=&resumeToken=1-1-ab1c0c60", "", nil}, watchFrom("1-1-ab1c0c60")},
		{contract.StoreFull, 507, fails(store.ErrFull), restRequest{"PUT", "/v1/values/there", "x", plain}, doSet(set("there", "x"))},
		{contract.LogBehind, 503, fails(store.ErrBehind), restRequest{"PUT", "/v1/values/there", "x", plain}, doSet(set("there", "x"))},
		{contract.ServiceUnavailable, 503, fails(store.ErrUnavailable), restRequest{"GET", "/v1/values/there", "", nil}, doGet("there")},
		{contract.DeadlineExceeded, 504, fails(context.DeadlineExceeded), restRequest{"GET", "/v1/values/there", "", nil}, doGet("there")},
	}
}

// watchFrom watches all keys from a resume token on, up to the first event.
func watchFrom(token string) func(context.Context, client) error {
	return func(ctx context.Context, kv client) error {
		stream, err := kv.Watch(ctx, &keyvaluev1.WatchRequest{
			Target: &keyvaluev1.WatchRequest_Prefix{}, ResumeToken: token,
		})
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = stream.Receive()
		return err
	}
}

func TestEachReasonIsTheSameOnEveryWire(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		for _, row := range rows() {
			t.Run(arrangement.name+"/"+string(row.reason), func(t *testing.T) {
				t.Parallel()
				engine := newEngine(t)
				if _, err := engine.Do(t.Context(), store.Operation{Kind: store.Set, Key: "there", Value: []byte("1")}); err != nil {
					t.Fatal(err)
				}
				wrapped := engine
				if row.engine != nil {
					wrapped = row.engine(engine)
				}
				url := start(t, arrangement.transport(t, wrapped))
				got := ask(t, row.rest.method, url+row.rest.path, row.rest.body, row.rest.header...)
				if got.status != row.status || got.field("reason") != string(row.reason) ||
					got.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("REST: %d %s, want %d with reason %s", got.status, got.body, row.status, row.reason)
				}
				for _, wire := range wiretest.Wires() {
					err := row.rpc(t.Context(), wire.Dial(t, url, "x-api-key", apiKey))
					if contract.ReasonOf(err) != row.reason || connect.CodeOf(err) != row.reason.Code() {
						t.Errorf("over %s: %v with reason %q, want %s", wire.Name, err, contract.ReasonOf(err), row.reason)
					}
					detail := strings.TrimSuffix(got.field("detail"), ".") // a sentence, unlike the message of an RPC
					if coded, ok := err.(*connect.Error); ok && !strings.EqualFold(detail, coded.Message()) && row.rest.method == http.MethodGet {
						t.Errorf("over %s the message is %q, over REST the detail is %q", wire.Name, coded.Message(), got.field("detail"))
					}
				}
				kept, err := engine.Do(t.Context(), store.Operation{Kind: store.Get, Key: "there"})
				if err != nil || string(kept.Entry.Value) != "1" {
					t.Errorf("a failed request changed the entry to %q, %v", kept.Entry.Value, err)
				}
			})
		}
	}
}

func TestAServiceThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	// Nothing listens on port 1. The port of a closed listener could be that of another test by now.
	url := start(t, dial(t, "http://127.0.0.1:1", ""))
	wantUnavailable(t, url)
	const doubt = "a write may or may not have been applied"
	if got := ask(t, http.MethodGet, url+"/v1/values/a", ""); strings.Contains(got.body, doubt) {
		t.Errorf("the error of a read mentions writes: %s", got.body)
	}
	if got := ask(t, http.MethodDelete, url+"/v1/values/a", ""); !strings.Contains(got.body, doubt) {
		t.Errorf("the error of a write does not say that it may have been applied: %s", got.body)
	}
	if got := askAs(t, http.MethodGet, url+"/readyz", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz = %d, want 503", got.status)
	}
	if got := askAs(t, http.MethodGet, url+"/health", ""); got.status != http.StatusOK {
		t.Errorf("GET /health = %d, want 200: the gateway itself can serve", got.status)
	}
}

func TestAServiceThatBreaksOffAResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	url := start(t, dial(t, wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/proto")
		w.Header().Set("Content-Length", strconv.Itoa(100))
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})), ""))
	wantUnavailable(t, url)
}

func TestAServiceThatRejectsTheGatewayIsUnavailable(t *testing.T) {
	t.Parallel()
	server := serveService(t, newEngine(t))
	wantUnavailable(t, start(t, dial(t, server, "wrong")))
	wantUnavailable(t, start(t, dial(t, server, "")))
}

// wantUnavailable expects 503 and SERVICE_UNAVAILABLE, without addresses or causes.
func wantUnavailable(t *testing.T, url string) {
	t.Helper()
	got := ask(t, http.MethodGet, url+"/v1/values/a", "")
	if got.status != http.StatusServiceUnavailable || got.field("reason") != string(contract.ServiceUnavailable) ||
		got.header.Get("Retry-After") == "" {
		t.Errorf("REST: %d %v %s, want 503 with reason SERVICE_UNAVAILABLE and Retry-After", got.status, got.header, got.body)
	}
	for _, wire := range wiretest.Wires() {
		_, err := wire.Dial(t, url, "x-api-key", apiKey).Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
		if contract.ReasonOf(err) != contract.ServiceUnavailable || connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("over %s: %v, want unavailable with reason SERVICE_UNAVAILABLE", wire.Name, err)
		}
		if strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(got.body, "127.0.0.1") {
			t.Errorf("the error reveals the address of the service: %v, %s", err, got.body)
		}
	}
}

func TestACallOfAHangingServiceEndsAtTheCallersDeadline(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			url := start(t, arrangement.transport(t, hanging{newEngine(t)}))
			for _, wire := range wiretest.Wires() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				_, err := wire.Dial(t, url, "x-api-key", apiKey).Get(ctx, &keyvaluev1.GetRequest{Key: "a"})
				cancel()
				if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
					t.Errorf("over %s: %v, want deadline_exceeded", wire.Name, err)
				}
			}
		})
	}
}
