package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"key-value/kvservice/store"
)

// answers is a member whose answers a test decides.
type answers struct {
	pb.KVClient
	txn   func(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error)
	read  func(*pb.RangeRequest) (*pb.RangeResponse, error)
	watch func() error
}

func (a answers) Txn(ctx context.Context, req *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	return a.txn(ctx, req)
}

func (a answers) Range(_ context.Context, req *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	return a.read(req)
}

func (a answers) Watch(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[pb.WatchRequest, pb.WatchResponse], error) {
	return nil, a.watch()
}

// with returns an engine that uses a.
func (a answers) with(t *testing.T) *Engine {
	e := &Engine{names: newNames(""), cluster: newCluster(Options{}), maxOps: leastOps}
	e.ctx, e.cancel = context.WithCancel(t.Context())
	t.Cleanup(e.cancel)
	e.writer, e.follower = newWriter(e, 0), newFollower(e)
	e.cluster.choose(&session{kv: a, watch: a}, false)
	return e
}

// A write that was sent when the engine is closed may be carried out, which is not the same as that nothing was changed.
func TestTheOutcomeOfAWriteIsUnknownWhenItsEngineIsClosed(t *testing.T) {
	sent, answered := make(chan struct{}), make(chan struct{})
	e := answers{txn: func(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, error) {
		if len(req.Compare) == 0 { // reads what there is: nothing
			nothing := &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{}}}
			return &pb.TxnResponse{Responses: []*pb.ResponseOp{nothing}}, nil
		}
		close(sent)
		<-answered
		return nil, status.FromContextError(ctx.Err()).Err()
	}}.with(t)
	e.workers.Go(e.writer.work)
	failed := make(chan error, 1)
	go func() {
		_, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: "k"})
		failed <- err
	}()
	<-sent
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	if err := <-failed; !errors.Is(err, store.ErrUnknownOutcome) {
		t.Errorf("the write that was sent: %v, want %v", err, store.ErrUnknownOutcome)
	}
	close(answered)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if _, err := e.Do(t.Context(), store.Operation{Kind: store.Set, Key: "k"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a later one: %v, want %v", err, store.ErrClosed)
	}
}

// An engine that is being opened does not wait for the outcome of its first write longer than its caller does.
func TestOpeningEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	writes := 0
	e := answers{
		read: func(*pb.RangeRequest) (*pb.RangeResponse, error) { return &pb.RangeResponse{}, nil },
		txn: func(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
			if writes++; writes == 3 {
				cancel()
			}
			return nil, status.Error(codes.Unavailable, "no answer")
		},
	}.with(t)
	begun := make(chan error, 1)
	go func() { begun <- e.writer.begin(ctx) }()
	select {
	case err := <-begun:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it fails with %v, want %v", err, context.Canceled)
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on after its context has ended")
	}
}

// While it cannot be found out whether a backup has replaced what a follower has followed, it does not go on.
func TestAFollowerGoesOnOnlyInTheSameHistory(t *testing.T) {
	broken := status.Error(codes.PermissionDenied, "broken") // so that it is not tried again
	reads, streams := 0, 0
	var e *Engine
	e = answers{
		read: func(*pb.RangeRequest) (*pb.RangeResponse, error) {
			reads++
			revision := int64(100)
			switch reads {
			case 2:
				return nil, broken
			case 3:
				revision = 50
			}
			return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: revision}, Kvs: []*mvccpb.KeyValue{{
				Key: e.names.journal(1), ModRevision: revision, Value: journal{time: time.Now().UnixNano()}.pack(),
			}}}, nil
		},
		watch: func() error {
			streams++
			return broken
		},
	}.with(t)
	if err := e.follower.follow(); !errors.Is(err, store.ErrResumeTooOld) {
		t.Errorf("it ends with %v, want %v", err, store.ErrResumeTooOld)
	}
	if streams != 1 {
		t.Errorf("it followed changes %d times, want once, before the history was replaced", streams)
	}
}
