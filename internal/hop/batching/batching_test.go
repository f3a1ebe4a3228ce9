package batching_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/hop/batching"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

func TestACallAloneIsNotBatched(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		for range 3 {
			if _, err := kv.Set(t.Context(), text("a", "1")); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.seen(); got != "Set, Set, Set" {
			t.Errorf("the service saw %s, want three calls", got)
		}
	})
}

func TestCallsThatWaitShareARequest(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		release := s.stop()
		var calls sync.WaitGroup
		for i := range 10 {
			calls.Go(func() {
				if _, err := kv.Set(t.Context(), text(fmt.Sprint(i), "1")); err != nil {
					t.Errorf("Set = %v", err)
				}
			})
			synctest.Wait()
		}
		if got := s.seen(); got != "Set, Set" {
			t.Errorf("while two requests were under way, the service saw %s", got)
		}
		release()
		calls.Wait()
		if got := s.seen(); got != "Set, Set, Batch of 8" {
			t.Errorf("the service saw %s, want one batch of the eight calls that waited", got)
		}
	})
}

func TestEachCallHasItsOwnAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		if _, err := kv.Set(t.Context(), text("there", "1")); err != nil {
			t.Fatal(err)
		}
		release, done := behind(t, s, kv,
			func() {
				res, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "there"})
				if err != nil || res.GetEntry().GetValue() != "1" {
					t.Errorf("Get = %v, %v", res, err)
				}
			},
			func() {
				_, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "nope"})
				e, ok := errors.AsType[*connect.Error](err)
				if !ok || contract.ReasonOf(err) != contract.KeyNotFound || e.Code() != connect.CodeNotFound || !e.IsRemote() {
					t.Errorf("Get of a missing key = %v, want the service's KEY_NOT_FOUND", err)
				}
			},
			func() {
				_, err := kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: ".."})
				if contract.ReasonOf(err) != contract.KeyInvalid {
					t.Errorf("Delete of an invalid key = %v, want KEY_INVALID", err)
				}
			},
			func() {
				res, err := kv.Increment(t.Context(), &keyvaluev1.IncrementRequest{Key: "n", Delta: 3})
				if err != nil || res.GetValue() != 3 {
					t.Errorf("Increment = %v, %v", res, err)
				}
			},
			func() {
				res, err := kv.Touch(t.Context(), &keyvaluev1.TouchRequest{Key: "there"})
				if err != nil || res.GetEntry().GetKey() != "there" {
					t.Errorf("Touch = %v, %v", res, err)
				}
			},
		)
		release()
		done.Wait()
		if got := s.seen(); !strings.HasSuffix(got, "Batch of 5") {
			t.Errorf("the service saw %s, want a batch at the end", got)
		}
	})
}

func TestLargeValuesAreSentByThemselves(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		large := strings.Repeat("x", contract.DefaultValueBytes)
		if _, err := kv.Set(t.Context(), text("large", large)); err != nil {
			t.Fatal(err)
		}
		get := func() {
			res, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "large"})
			if err != nil || res.GetEntry().GetValue() != large {
				t.Errorf("Get = %d bytes, %v", len(res.GetEntry().GetValue()), err)
			}
		}
		small := func() {
			if _, err := kv.Set(t.Context(), text("small", "x")); err != nil {
				t.Errorf("Set = %v", err)
			}
		}
		release, done := behind(t, s, kv, get, small, func() {
			if _, err := kv.Set(t.Context(), text("large", large)); err != nil {
				t.Errorf("Set = %v", err)
			}
		})
		if got := s.seen(); got != "Set, Set, Set, Set" {
			t.Errorf("the service saw %s, want the large Set to be sent without waiting", got)
		}
		release()
		done.Wait()
		if got := s.seen(); got != "Set, Set, Set, Set, Batch of 2, Get" {
			t.Errorf("the service saw %s, want the large value to be fetched by itself", got)
		}
	})
}

func TestABatchIsBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		var calls []func()
		for i := range 600 {
			calls = append(calls, func() {
				if _, err := kv.Set(t.Context(), text(fmt.Sprint(i), "x")); err != nil {
					t.Errorf("Set = %v", err)
				}
			})
		}
		for i := range 40 {
			calls = append(calls, func() {
				if _, err := kv.Set(t.Context(), text(fmt.Sprint("heavy-", i), strings.Repeat("x", 15<<10))); err != nil {
					t.Errorf("Set = %v", err)
				}
			})
		}
		release, done := behind(t, s, kv, calls...)
		release()
		done.Wait()
		operations := 0
		for _, request := range strings.Split(s.seen(), ", ") {
			n := 1
			_, _ = fmt.Sscanf(request, "Batch of %d", &n)
			if n > 256 {
				t.Errorf("a batch has %d operations", n)
			}
			operations += n
		}
		if operations != 642 {
			t.Errorf("%d operations arrived, want 642", operations)
		}
	})
}

func TestCallsWithHeadersAreNotBatched(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *service, kv client) {
		release, done := behind(t, s, kv, func() {
			ctx, info := connect.NewClientContext(t.Context())
			info.RequestHeader().Set("X-Own", "1")
			if _, err := kv.Set(ctx, text("a", "x")); err != nil {
				t.Errorf("Set = %v", err)
			}
		})
		if got := s.seen(); got != "Set, Set, Set" {
			t.Errorf("the service saw %s, want the call with headers to be sent by itself", got)
		}
		release()
		done.Wait()
	})
}

// Many callers, some of which give up, over a real connection: each of the others reads what it wrote.
func TestManyCallersOverARealConnection(t *testing.T) {
	t.Parallel()
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	url := wiretest.ServeRPC(t, rpc.Mount(server, contract.DefaultValueBytes, http.NotFoundHandler()), server)
	transport := batching.New(wiretest.Wires()[0].Transport(t, url), nil)
	kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport))
	var callers sync.WaitGroup
	for caller := range 64 {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(caller)))
			for i := range 50 {
				key, value := fmt.Sprint(caller), fmt.Sprint(i, strings.Repeat("x", random.IntN(40<<10)*random.IntN(2)))
				if random.IntN(10) == 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(500))*time.Microsecond)
					_, _ = kv.Get(ctx, &keyvaluev1.GetRequest{Key: key})
					cancel()
				}
				set, err := kv.Set(t.Context(), text(key, value))
				if err != nil {
					t.Errorf("Set = %v", err)
					return
				}
				got, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: key})
				if err != nil || got.GetEntry().GetValue() != value || got.GetEntry().GetEtag() != set.GetEntry().GetEtag() {
					t.Errorf("caller %d wrote %d bytes and read %d, %v", caller, len(value), len(got.GetEntry().GetValue()), err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// A service whose longest value is short allows only short messages: a batch of values that it accepts can be too long.
func TestABatchThatIsTooLongForItsServiceIsSentCallByCall(t *testing.T) {
	t.Parallel()
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	server := rpc.NewServer(kvservice.New(engine, kvservice.Config{MaxValueBytes: 1024}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	url := wiretest.ServeRPC(t, rpc.Mount(server, 1024, http.NotFoundHandler()), server)
	for _, wire := range wiretest.Wires() {
		kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(batching.New(wire.Transport(t, url), nil)))
		var callers sync.WaitGroup
		for i := range 300 {
			callers.Go(func() {
				if _, err := kv.Set(t.Context(), text(fmt.Sprint(i), strings.Repeat("x", 1024))); err != nil {
					t.Errorf("%s: Set = %v", wire.Name, err)
				}
			})
		}
		callers.Wait()
	}
}

// A call in a batch has the same outcome as the same call by itself, errors included.
func TestABatchedCallIsAnsweredLikeOneByItself(t *testing.T) {
	t.Parallel()
	requests := []*keyvaluev1.SetRequest{
		text("a", "1"), text("", "1"), text("a", strings.Repeat("x", 1000)), {Key: "a"},
		{Key: "a", Content: &keyvaluev1.SetRequest_Data{Data: []byte{0xff}}},
		{Key: "a", Content: &keyvaluev1.SetRequest_Value{Value: "1"}, Precondition: &keyvaluev1.Precondition{}},
		{Key: "b", Content: &keyvaluev1.SetRequest_Value{Value: "1"},
			Precondition: &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: true}}},
	}
	for _, req := range requests {
		inBubble(t, func(t *testing.T, s *service, kv client) {
			direct := &service{}
			single := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(connectinprocess.New(direct.server(t))))
			wantRes, wantErr := single.Set(t.Context(), req)
			var res *keyvaluev1.SetResponse
			var err error
			release, done := behind(t, s, kv,
				func() { res, err = kv.Set(t.Context(), proto.CloneOf(req)) },
				func() { _, _ = kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "z"}) })
			release()
			done.Wait()
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || contract.ReasonOf(err) != contract.ReasonOf(wantErr) || res.GetCreated() != wantRes.GetCreated() {
				t.Errorf("Set(%v) in a batch = %v, %v; by itself %v, %v", req, res, err, wantRes, wantErr)
			}
		})
	}
}
