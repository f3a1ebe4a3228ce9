package client_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/client"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// failing is a service whose Get always fails with err.
type failing struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
	err error
}

func (f failing) Get(context.Context, *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	return nil, f.err
}

// reasons returns the reasons that package contract declares, read from its source, so that a new one cannot be forgotten
// here.
func reasons(t *testing.T) []contract.Reason {
	files, err := filepath.Glob("../internal/contract/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []contract.Reason
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
				word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, contract.Reason(word))
			}
			return true
		})
	}
	return all
}

func TestEveryReasonHasItsSentinel(t *testing.T) {
	t.Parallel()
	want := map[contract.Reason]error{
		contract.KeyNotFound:        client.ErrNotFound,
		contract.ETagMismatch:       client.ErrETagMismatch,
		contract.KeyExists:          client.ErrExists,
		contract.KeyAbsent:          client.ErrAbsent,
		contract.KeyInvalid:         client.ErrInvalid,
		contract.ValueInvalid:       client.ErrInvalid,
		contract.TTLInvalid:         client.ErrInvalid,
		contract.PageTokenInvalid:   client.ErrInvalid,
		contract.RequestInvalid:     client.ErrInvalid,
		contract.ValueTooLarge:      client.ErrTooLarge,
		contract.BatchTooLarge:      client.ErrTooLarge,
		contract.NotAnInteger:       client.ErrNotInteger,
		contract.IntegerOverflow:    client.ErrOverflow,
		contract.ResumeTooOld:       client.ErrResumeTooOld,
		contract.StoreFull:          client.ErrFull,
		contract.RateLimited:        client.ErrOverloaded,
		contract.Overloaded:         client.ErrOverloaded,
		contract.LogBehind:          client.ErrOverloaded,
		contract.APIKeyInvalid:      client.ErrUnauthenticated,
		contract.TicketInvalid:      client.ErrUnauthenticated,
		contract.PermissionDenied:   client.ErrPermissionDenied,
		contract.ServiceUnavailable: client.ErrUnavailable,
		contract.DeadlineExceeded:   client.ErrUnavailable,
	}
	all := slices.DeleteFunc(reasons(t), func(why contract.Reason) bool {
		return why == contract.Unimplemented || why == contract.Internal // nothing that a program could act on
	})
	if len(all) != len(want) {
		t.Fatalf("the contract has %d reasons, and this test knows %d", len(all), len(want))
	}
	for _, why := range all {
		t.Run(string(why), func(t *testing.T) {
			url := serve(t, failing{err: why.Errorf("what happened")}, nil)
			_, err := dial(t, url).Get(t.Context(), "a")
			e := wantError(t, "Get", err, want[why])
			if e.Code != why.Code() || e.Reason != string(why) || e.Error() != "what happened" {
				t.Errorf("Get = %v with code %v and reason %q, want those of the service", e, e.Code, e.Reason)
			}
			if got := errors.Is(err, context.DeadlineExceeded); got != (why == contract.DeadlineExceeded) {
				t.Errorf("errors.Is(err, context.DeadlineExceeded) = %v", got)
			}
			for _, other := range want {
				if other != want[why] && errors.Is(err, other) {
					t.Errorf("Get = %v, which is also %v", err, other)
				}
			}
		})
	}
}

func TestCodesWithoutReasonAreClassified(t *testing.T) {
	t.Parallel()
	for code, want := range map[connect.Code]error{
		connect.CodeUnavailable:      client.ErrUnavailable,
		connect.CodeDeadlineExceeded: client.ErrUnavailable,
		connect.CodeCanceled:         client.ErrUnavailable,
		connect.CodeUnauthenticated:  client.ErrUnauthenticated,
		connect.CodePermissionDenied: client.ErrPermissionDenied,
		connect.CodeInvalidArgument:  client.ErrInvalid,
	} {
		t.Run(code.String(), func(t *testing.T) {
			url := serve(t, failing{err: connect.NewError(code, "what happened")}, nil)
			_, err := dial(t, url).Get(t.Context(), "a")
			wantError(t, "Get", err, want)
		})
	}
}

// closedPort returns the URL of a port on which nothing listens.
func closedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

// resettingPort returns the URL of a port that resets each connection after its first byte.
func resettingPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestAServiceThatCannotBeReachedIsUnavailable(t *testing.T) {
	t.Parallel()
	answer := func(f http.HandlerFunc) func(*testing.T) string {
		return func(t *testing.T) string { return wiretest.Serve(t, f) }
	}
	for name, serve := range map[string]func(*testing.T) string{
		"a closed port":           closedPort,
		"connections are reset":   resettingPort,
		"the answer is cut off":   answer(breakOff),
		"the answer is malformed": answer(func(w http.ResponseWriter, _ *http.Request) { garble(w, "application/proto") }),
		"a proxy has no service":  answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, serve(t)).Get(t.Context(), "a")
			e := wantError(t, "Get", err, client.ErrUnavailable)
			if e.Code != connect.CodeUnavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get = %v with code %v, want unavailable and no error of a context", err, e.Code)
			}
		})
	}
}

// A read is retried by default; package hop tests what is retried, and when.
func TestRetriesCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for want, opts := range map[int64][]client.Option{4: nil, 1: {client.WithoutRetries()}} {
		var requests atomic.Int64
		url := wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}))
		_, err := dial(t, url, opts...).Get(t.Context(), "a")
		wantError(t, "Get", err, client.ErrUnavailable)
		if n := requests.Load(); n != want {
			t.Errorf("Get was sent %d times, want %d", n, want)
		}
	}
}

// breakOff resets the stream in the middle of an answer.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/proto")
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "\x0a")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// garble sends a malformed message.
func garble(w http.ResponseWriter, contentType string) {
	w.Header().Set("Content-Type", contentType)
	_, _ = io.WriteString(w, "\xff\xff")
}

func TestAWrongURLIsNotUnavailable(t *testing.T) {
	t.Parallel()
	_, err := dial(t, wiretest.Serve(t, http.NotFoundHandler())).Get(t.Context(), "a")
	if e := wantError(t, "Get", err, err); e.Code != connect.CodeUnimplemented || errors.Is(err, client.ErrUnavailable) {
		t.Errorf("Get = %v with code %v, want unimplemented", err, e.Code)
	}
}

func TestAnAnswerThatIsTooLargeIsRejected(t *testing.T) {
	t.Parallel()
	url := wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(make([]byte, contract.MaxResponseBytes(1)+1))
	}))
	_, err := dial(t, url, client.WithMaxValueBytes(1)).Get(t.Context(), "a")
	wantError(t, "Get", err, client.ErrTooLarge)
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	kv := dial(t, wiretest.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})))
	t.Run("at its deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := kv.Get(ctx, "a")
		e := wantError(t, "Get", err, client.ErrUnavailable)
		if e.Code != connect.CodeDeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get = %v with code %v, want deadline_exceeded", err, e.Code)
		}
	})
	t.Run("when it is canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
		_, err := kv.Get(ctx, "a")
		e := wantError(t, "Get", err, context.Canceled)
		if e.Code != connect.CodeCanceled || errors.Is(err, client.ErrUnavailable) {
			t.Errorf("Get = %v with code %v, want canceled", err, e.Code)
		}
	})
}
