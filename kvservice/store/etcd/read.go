package etcd

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"key-value/kvservice/store"
)

// get reads one entry.
func (e *Engine) get(ctx context.Context, op store.Operation) (store.Result, error) {
	answer, err := e.read(ctx, &pb.RangeRequest{Key: e.names.entry(op.Key)})
	if err != nil {
		return store.Result{}, e.closed(err)
	}
	c, err := newCell(op.Key, answer.Kvs)
	if err == nil && c.now.long {
		err = e.readLong(ctx, []*cell{c})
	}
	if err != nil {
		return store.Result{}, e.closed(err)
	}
	return e.got(op, c)
}

// got returns the result of a get that found what c has.
func (e *Engine) got(op store.Operation, c *cell) (store.Result, error) {
	now := time.Now().UnixNano()
	if !c.exists || !c.now.live(now) {
		count(&e.misses, op)
		if op.AllowMissing {
			return store.Result{}, nil
		}
		return store.Result{}, store.ErrNotFound
	}
	count(&e.hits, op)
	return store.Result{Entry: c.now.showWhole(op.Key, c.mod, now)}, nil
}

// count counts the get op in reads, which are the hits or the misses.
func count(reads *atomic.Int64, op store.Operation) {
	if !op.Uncounted {
		reads.Add(1)
	}
}

// readLong reads entries with their long values. They may have changed since their headers were read, so it reads these
// again.
func (e *Engine) readLong(ctx context.Context, cells []*cell) error {
	req := &pb.TxnRequest{}
	for _, c := range cells {
		req.Success = append(req.Success, get(e.names.entry(c.key)), get(e.names.value(c.key)))
	}
	answer, err := e.txn(ctx, req)
	if err != nil {
		return err
	}
	for i, c := range cells {
		found, err := newCell(c.key, answer.Responses[2*i].GetResponseRange().Kvs)
		if err == nil && found.now.long {
			err = found.fill(answer.Responses[2*i+1].GetResponseRange().Kvs)
		}
		if err != nil {
			return err
		}
		*c = *found
	}
	return nil
}

// fill gives c the long value that was read with its header.
func (c *cell) fill(kvs []*mvccpb.KeyValue) error {
	if len(kvs) != 1 || len(kvs[0].Value) != c.now.size {
		return errDamaged
	}
	c.now.value = kvs[0].Value
	return nil
}

// gets reads the entries of some keys. It leaves out long values for which the result has no room.
func (e *Engine) gets(ctx context.Context, ops []store.Operation) ([]store.Result, error) {
	cells, errs := make([]*cell, len(ops)), make([]error, len(ops))
	var reading sync.WaitGroup
	for first := 0; first < len(ops); first += leastOps {
		last := min(first+leastOps, len(ops))
		reading.Go(func() {
			err := e.readCells(ctx, ops[first:last], cells[first:last])
			for i := first; err != nil && i < last; i++ {
				errs[i] = err
			}
		})
	}
	reading.Wait()
	e.fillCells(ctx, cells, errs)
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		if errs[i] == nil {
			results[i], errs[i] = e.got(op, cells[i])
		}
		results[i].Err = e.closed(errs[i])
	}
	return results, nil
}

func (e *Engine) readCells(ctx context.Context, ops []store.Operation, cells []*cell) error {
	req := &pb.TxnRequest{}
	for _, op := range ops {
		req.Success = append(req.Success, get(e.names.entry(op.Key)))
	}
	answer, err := e.txn(ctx, req)
	if err != nil {
		return err
	}
	for i, op := range ops {
		if cells[i], err = newCell(op.Key, answer.Responses[i].GetResponseRange().Kvs); err != nil {
			return err
		}
	}
	return nil
}

// readAtOnce is how many bytes of long values are read at a time, unless one is longer.
const readAtOnce = 1 << 20

// fillCells reads the long values that the result of a batch has room for.
func (e *Engine) fillCells(ctx context.Context, cells []*cell, errs []error) {
	room := store.BatchBytes
	var long []int
	for i, c := range cells {
		if errs[i] == nil && c.now.long {
			long = append(long, i)
		} else if errs[i] == nil {
			room -= c.now.size
		}
	}
	for len(long) > 0 {
		var some []*cell
		n, bytes := 0, 0
		for ; n < len(long) && len(some) < leastOps/2; n++ {
			i := long[n]
			if cells[i].now.size > room {
				errs[i] = store.ErrLeftOut
				continue
			}
			if bytes > 0 && bytes+cells[i].now.size > readAtOnce {
				break
			}
			room, bytes = room-cells[i].now.size, bytes+cells[i].now.size
			some = append(some, cells[i])
		}
		if len(some) > 0 {
			if err := e.readLong(ctx, some); err != nil {
				for _, i := range long[:n] {
					if errs[i] == nil && slices.Contains(some, cells[i]) {
						errs[i] = err
					}
				}
			}
		}
		long = long[n:]
	}
}
