package admission_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"connectrpc.com/connect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
)

// stub is a transport whose calls do nothing, or fail with err.
type stub struct{ err error }

func (s stub) NewClientStream(context.Context, connect.Spec) (connect.ClientStream, error) {
	return stubStream{}, s.err
}

type stubStream struct{ connect.ClientStream }

func (stubStream) Close() error { return nil }

var (
	list = connect.Spec{Procedure: keyvaluev1connect.KeyValueServiceListProcedure}
	get  = connect.Spec{Procedure: keyvaluev1connect.KeyValueServiceGetProcedure}
)

func TestLargeCallsOfATransportWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := admission.New(admission.Config{Large: 1}).Transport(stub{})
		first, err := transport.NewClientStream(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if small, err := transport.NewClientStream(t.Context(), get); err != nil || small.Close() != nil {
			t.Errorf("a small call = %v, want it not to wait", err)
		}
		began := make(chan error, 1)
		go func() {
			second, err := transport.NewClientStream(t.Context(), list)
			if err == nil {
				err = second.Close()
			}
			began <- err
		}()
		synctest.Wait()
		select {
		case err := <-began:
			t.Fatalf("the second large call did not wait: %v", err)
		default:
		}
		_, _ = first.Close(), first.Close() // the second Close does nothing
		if err := <-began; err != nil {
			t.Errorf("the second large call, after the first ended = %v", err)
		}
	})
}

func TestACallThatFailsToOpenIsReleased(t *testing.T) {
	t.Parallel()
	limiter := admission.New(admission.Config{Calls: 1, Large: 1})
	broken := errors.New("no service")
	for _, spec := range []connect.Spec{list, get, list, get} {
		if _, err := limiter.Transport(stub{broken}).NewClientStream(t.Context(), spec); !errors.Is(err, broken) {
			t.Errorf("%s = %v, want %v", spec.Procedure, err, broken)
		}
	}
	stream, err := limiter.Transport(stub{}).NewClientStream(t.Context(), list)
	if err != nil {
		t.Fatalf("a call after those that failed = %v", err)
	}
	if _, err := limiter.Transport(stub{}).NewClientStream(t.Context(), get); err == nil {
		t.Error("a second call was admitted, want OVERLOADED")
	}
	_ = stream.Close()
}
