package kvservice_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

type client = keyvaluev1connect.KeyValueServiceClient

// serveEngine serves engine until the test ends and returns the URL.
func serveEngine(t *testing.T, engine store.Engine, cfg kvservice.Config) string {
	t.Helper()
	service := kvservice.New(engine, cfg)
	t.Cleanup(service.Close)
	server := rpc.NewServer(service, rpc.Config{
		Checks: admission.NewChecks(nil, nil), Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	return wiretest.ServeRPC(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
}

func newEngine(t *testing.T) store.Engine {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// overEveryWire runs test in parallel over each wire, each against its own service.
func overEveryWire(t *testing.T, test func(t *testing.T, kv client)) {
	for _, wire := range wiretest.Wires() {
		t.Run(wire.Name, func(t *testing.T) {
			t.Parallel()
			test(t, wire.Dial(t, serveEngine(t, newEngine(t), kvservice.Config{})))
		})
	}
}

func text(key, value string) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}}
}

func mustSet(t *testing.T, kv client, req *keyvaluev1.SetRequest) *keyvaluev1.SetResponse {
	t.Helper()
	res, err := kv.Set(t.Context(), req)
	if err != nil {
		t.Fatalf("Set(%s) = %v", req.GetKey(), err)
	}
	return res
}

func mustGet(t *testing.T, kv client, key string) *keyvaluev1.Entry {
	t.Helper()
	res, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key})
	if err != nil {
		t.Fatalf("Get(%s) = %v", key, err)
	}
	return res.GetEntry()
}

func wantReason(t *testing.T, what string, err error, want contract.Reason) {
	t.Helper()
	if got := contract.ReasonOf(err); got != want {
		t.Errorf("%s = %v with reason %q, want %s", what, err, got, want)
	}
	if got := connect.CodeOf(err); err != nil && got != want.Code() {
		t.Errorf("%s has code %v, want %v", what, got, want.Code())
	}
}

func TestAValueIsReturnedAsWritten(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		for name, req := range map[string]*keyvaluev1.SetRequest{
			"text":          text("text", "world"),
			"an empty text": text("empty", ""),
			"text as bytes": {Key: "ascii", Content: &keyvaluev1.SetRequest_Data{Data: []byte("world")}},
			"bytes":         {Key: "bytes", Content: &keyvaluev1.SetRequest_Data{Data: []byte{0xff, 0, 0xfe}}},
			"odd keys":      text("a//b/%2F ?#ü/", "x"),
			"a megabyte":    text("large", strings.Repeat("x", contract.DefaultValueBytes)),
		} {
			t.Run(name, func(t *testing.T) {
				set := mustSet(t, kv, req)
				if !set.GetCreated() {
					t.Error("created = false for a new key")
				}
				got := mustGet(t, kv, req.GetKey())
				if string(contentOf(got)) != req.GetValue()+string(req.GetData()) {
					t.Errorf("content = %d bytes, want what was stored", len(contentOf(got)))
				}
				if got.GetEtag() == "" || got.GetEtag() != set.GetEntry().GetEtag() {
					t.Errorf("etag = %q, but Set said %q", got.GetEtag(), set.GetEntry().GetEtag())
				}
				if again := mustSet(t, kv, req); again.GetCreated() {
					t.Error("created = true for a key that existed")
				}
			})
		}
	})
}

func contentOf(e *keyvaluev1.Entry) []byte { return append([]byte(e.GetValue()), e.GetData()...) }

func TestTextIsTextAndBytesAreBytes(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, &keyvaluev1.SetRequest{Key: "a", Content: &keyvaluev1.SetRequest_Data{Data: []byte("é")}})
		if got, ok := mustGet(t, kv, "a").GetContent().(*keyvaluev1.Entry_Value); !ok || got.Value != "é" {
			t.Errorf("UTF-8 written as data came back as %T, want value", mustGet(t, kv, "a").GetContent())
		}
		mustSet(t, kv, &keyvaluev1.SetRequest{Key: "b", Content: &keyvaluev1.SetRequest_Data{Data: []byte{0xc3}}})
		if got, ok := mustGet(t, kv, "b").GetContent().(*keyvaluev1.Entry_Data); !ok || !bytes.Equal(got.Data, []byte{0xc3}) {
			t.Errorf("bytes came back as %T, want data", mustGet(t, kv, "b").GetContent())
		}
	})
}

func TestDeleteReportsWhetherTheKeyExisted(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("a", "1"))
		for _, want := range []bool{true, false} {
			res, err := kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: "a"})
			if err != nil || res.GetDeleted() != want {
				t.Errorf("Delete = %v, %v; want deleted %v", res, err, want)
			}
		}
		_, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
		wantReason(t, "Get of a deleted key", err, contract.KeyNotFound)
	})
}

func TestTTL(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		req := text("a", "1")
		req.Ttl = durationpb.New(time.Hour)
		mustSet(t, kv, req)
		left := time.Until(mustGet(t, kv, "a").GetExpireTime().AsTime())
		if left <= 59*time.Minute || left > time.Hour {
			t.Errorf("the entry expires in %v, want an hour", left)
		}
		mustSet(t, kv, text("a", "2"))
		if e := mustGet(t, kv, "a"); e.GetExpireTime() != nil {
			t.Errorf("a Set without a TTL kept the old one: the entry expires at %v", e.GetExpireTime().AsTime())
		}
	})
}

func TestASetMayKeepTheTTL(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		keep := text("a", "2")
		keep.KeepTtl = true
		if created := mustSet(t, kv, keep).GetEntry(); created.GetExpireTime() != nil || created.GetTtl() != nil {
			t.Errorf("a new entry expires at %v, want never", created.GetExpireTime().AsTime())
		}
		first := text("a", "1")
		first.Ttl = durationpb.New(time.Hour)
		want := mustSet(t, kv, first).GetEntry().GetExpireTime().AsTime()
		if kept := mustSet(t, kv, keep).GetEntry(); !near(kept.GetExpireTime().AsTime(), want) || kept.GetTtl() == nil {
			t.Errorf("Set returned %v, want an entry that expires at %v", kept, want)
		}
		res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Atomic: true, Operations: []*keyvaluev1.Operation{contract.Set.Wrap(keep)}})
		if err != nil || !near(res.GetResults()[0].GetSet().GetEntry().GetExpireTime().AsTime(), want) {
			t.Errorf("a batch returned %v, %v, want an entry that expires at %v", res, err, want)
		}
		if e := mustGet(t, kv, "a"); e.GetValue() != "2" || !near(e.GetExpireTime().AsTime(), want) {
			t.Errorf("the entry is %v, want the value 2 until %v", e, want)
		}
	})
}

// near reports whether two times are the same but for the steps of a wall clock, which shown times follow.
func near(got, want time.Time) bool { return got.Sub(want).Abs() < time.Minute }

func TestPreconditions(t *testing.T) {
	t.Parallel()
	exists := func(b bool) *keyvaluev1.Precondition {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: b}}
	}
	etag := func(e string) *keyvaluev1.Precondition {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: e}}
	}
	overEveryWire(t, func(t *testing.T, kv client) {
		old := mustSet(t, kv, text("there", "1")).GetEntry().GetEtag()
		now := mustSet(t, kv, text("there", "2")).GetEntry().GetEtag()
		for _, test := range []struct {
			name string
			key  string
			pre  *keyvaluev1.Precondition
			want contract.Reason
		}{
			{"an old etag", "there", etag(old), contract.ETagMismatch},
			{"an etag that was never issued", "there", etag("nonsense"), contract.ETagMismatch},
			{"an etag for a key that does not exist", "absent", etag(now), contract.ETagMismatch},
			{"must not exist, but does", "there", exists(false), contract.KeyExists},
			{"must exist, but does not", "absent", exists(true), contract.KeyAbsent},
			{"no condition in the precondition", "there", &keyvaluev1.Precondition{}, contract.RequestInvalid},
			{"an etag in quotes", "there", etag(`"` + now + `"`), contract.RequestInvalid},
			{"an empty etag", "there", etag(""), contract.RequestInvalid},
		} {
			t.Run(test.name, func(t *testing.T) {
				req := text(test.key, "changed")
				req.Precondition = test.pre
				_, err := kv.Set(t.Context(), req)
				wantReason(t, "Set", err, test.want)
				_, err = kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: test.key, Precondition: test.pre})
				if test.want != contract.KeyExists { // Delete of a key that must not exist is refused alike
					wantReason(t, "Delete", err, test.want)
				}
				if got := mustGet(t, kv, "there"); got.GetValue() != "2" || got.GetEtag() != now {
					t.Errorf("a rejected write changed the entry to %v", got)
				}
			})
		}
		req := text("there", "3")
		req.Precondition = etag(now)
		mustSet(t, kv, req)
		req = text("new", "1")
		req.Precondition = exists(false)
		mustSet(t, kv, req)
		if res, err := kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: "new", Precondition: exists(true)}); err != nil || !res.GetDeleted() {
			t.Errorf("Delete of a key that must exist, and does = %v, %v", res, err)
		}
	})
}

func TestTheDeadlineOfTheCallerIsRespected(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := kv.Get(ctx, &keyvaluev1.GetRequest{Key: "a"})
		if got := connect.CodeOf(err); got != connect.CodeDeadlineExceeded {
			t.Errorf("Get past its deadline = %v, want deadline_exceeded", err)
		}
	})
}

// faulty is an engine whose every operation fails with the error of do.
type faulty struct {
	store.Engine
	do func() error
}

func (f faulty) Do(context.Context, store.Operation) (store.Result, error) {
	return store.Result{}, f.do()
}

func TestTheCauseOfAnInternalErrorIsHidden(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func() error{
		"a panic": func() error { panic("secret cause") },
		"an unknown error": func() error {
			return &store.BatchError{Err: http.ErrBodyNotAllowed} // any error that kvservice does not know
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serveEngine(t, faulty{newEngine(t), do}, kvservice.Config{})
			for _, wire := range wiretest.Wires() {
				_, err := wire.Dial(t, url).Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
				if connect.CodeOf(err) != connect.CodeInternal || err.Error() != "internal: internal error" {
					t.Errorf("over %s: %v, want an internal error without its cause", wire.Name, err)
				}
			}
		})
	}
}

func TestErrorsOfEnginesHaveReasons(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]contract.Reason{
		store.ErrFull:            contract.StoreFull,
		store.ErrDiskFull:        contract.StoreFull,
		store.ErrBehind:          contract.LogBehind,
		store.ErrLoading:         contract.ServiceUnavailable,
		store.ErrUnavailable:     contract.ServiceUnavailable,
		store.ErrUnknownOutcome:  contract.ServiceUnavailable,
		store.ErrClosed:          contract.ServiceUnavailable,
		context.DeadlineExceeded: contract.DeadlineExceeded,
		store.ErrNotInteger:      contract.NotAnInteger,
		store.ErrOverflow:        contract.IntegerOverflow,
	} {
		url := serveEngine(t, faulty{newEngine(t), func() error { return err }}, kvservice.Config{})
		_, got := wiretest.Wires()[0].Dial(t, url).Set(t.Context(), text("a", "1"))
		wantReason(t, "Set on an engine that fails with "+err.Error(), got, want)
	}
}
