package etcd

import (
	"context"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"key-value/kvservice/store"
)

// position is a place in the order of all changes: after some changes of one transaction.
type position struct {
	run      uint64 // of the engine that made the transaction
	revision int64  // of etcd
	done     int    // how many of its changes are before the position
}

func (p position) before(q position) bool {
	return p.revision < q.revision || p.revision == q.revision && p.done < q.done
}

// token returns p as a resume token: three numbers in base 36, such as "2vxi4i7azeo1-4k-1".
func (p position) token() string {
	return base36(p.run) + "-" + base36(uint64(p.revision)) + "-" + base36(uint64(p.done))
}

// parseToken parses the result of token. It fails with [store.ErrTokenInvalid] for any other string.
func parseToken(token string) (position, error) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return position{}, store.ErrTokenInvalid
	}
	var numbers [3]uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 36, 64)
		if err != nil || base36(n) != part || i > 0 && n > 1<<48 {
			return position{}, store.ErrTokenInvalid
		}
		numbers[i] = n
	}
	return position{numbers[0], int64(numbers[1]), int(numbers[2])}, nil
}

// latest returns the position after the latest transaction, and the revision of etcd at which it was found.
func (e *Engine) latest(ctx context.Context) (position, int64, error) {
	answer, err := e.read(ctx, e.allJournals())
	if err != nil {
		return position{}, 0, err
	}
	p, value := position{}, []byte(nil)
	for _, kv := range answer.Kvs {
		run, ok := e.names.run(kv.Key)
		if ok && kv.ModRevision > p.revision {
			p, value = position{run: run, revision: kv.ModRevision}, kv.Value
		}
	}
	if value == nil {
		return p, 0, errDamaged
	}
	j, err := unpackJournal(value)
	p.done = len(j.changes)
	return p, answer.Header.Revision, err
}

// verify checks that the transaction of p is part of the history. It fails with [store.ErrResumeTooOld] if it is not, because
// a backup from before it was restored, or if the changes after it are no longer kept.
func (e *Engine) verify(ctx context.Context, p position) error {
	now, revision, err := e.latest(ctx)
	if err != nil {
		return err
	}
	if now.run == p.run && now.revision == p.revision {
		return nil
	}
	if p.revision > revision {
		return store.ErrResumeTooOld
	}
	answer, err := e.readAt(ctx, &pb.RangeRequest{Key: e.names.journal(p.run), Revision: p.revision})
	if err != nil {
		return err
	}
	if len(answer.Kvs) != 1 || answer.Kvs[0].ModRevision != p.revision {
		return store.ErrResumeTooOld
	}
	return nil
}
