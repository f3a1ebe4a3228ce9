package etcd

import (
	"cmp"
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// attemptTimeout is how long one request to one member may take.
	attemptTimeout = 5 * time.Second
	// patience is how long a call waits for a member that serves, unless its deadline is earlier. It is more than etcd takes to
	// elect another leader.
	patience = 5 * time.Second
	// retryPause is how long to wait before a read is tried again.
	retryPause = 20 * time.Millisecond
)

func get(name []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: name}}}
}

func put(name, value []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: name, Value: value}}}
}

func remove(name []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: name}}}
}

func nested(ops []*pb.RequestOp) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Success: ops}}}
}

// unchanged requires that a name has been written last at a revision. Zero: it must not exist.
func unchanged(name []byte, mod int64) *pb.Compare {
	return &pb.Compare{
		Key: name, Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: mod},
	}
}

// noneSince requires that no name in a range has been written after a revision.
func noneSince(from, to []byte, revision int64) *pb.Compare {
	return &pb.Compare{
		Key: from, RangeEnd: to, Target: pb.Compare_MOD, Result: pb.Compare_LESS,
		TargetUnion: &pb.Compare_ModRevision{ModRevision: revision + 1},
	}
}

// patienceOf returns how long a call with ctx waits for a member that serves: it answers that there is none before its
// deadline has passed.
func patienceOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return patience
	}
	return min(patience, time.Until(deadline)*3/4)
}

// read reads a range. It tries again, with another member if necessary, as long as that may help.
func (e *Engine) read(ctx context.Context, req *pb.RangeRequest) (*pb.RangeResponse, error) {
	return retry(ctx, e, func(ctx context.Context, s *session) (*pb.RangeResponse, error) { return s.kv.Range(ctx, req) })
}

// txn carries out a transaction that may be done twice, such as one that only reads. It tries again as read does.
func (e *Engine) txn(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, error) {
	return retry(ctx, e, func(ctx context.Context, s *session) (*pb.TxnResponse, error) { return s.kv.Txn(ctx, req) })
}

func retry[A any](ctx context.Context, e *Engine, try func(context.Context, *session) (A, error)) (A, error) {
	begin, limit := time.Now(), patienceOf(ctx)
	for {
		s, changed := e.cluster.use()
		limited, cancel := s.within(ctx, limit-time.Since(begin))
		answer, err := try(limited, s)
		cancel()
		if err == nil {
			return answer, nil
		}
		if !passing(err) {
			return answer, cmp.Or(refused(err), err)
		}
		e.cluster.failed()
		if ctx.Err() != nil || time.Since(begin) >= limit || e.ctx.Err() != nil {
			return answer, readError(ctx, err)
		}
		select {
		case <-changed:
		case <-time.After(retryPause):
		case <-ctx.Done():
		case <-e.ctx.Done():
		}
	}
}
