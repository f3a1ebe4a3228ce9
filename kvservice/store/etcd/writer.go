package etcd

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	crand "crypto/rand"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"key-value/kvservice/store"
)

// writer carries out all writes of an engine, one transaction after the other. What arrives in the meantime goes into the
// next one.
type writer struct {
	engine     *Engine
	queue      queue
	valueBytes int

	// Used by work only, and by begin before it:
	run    uint64 // names the journal, and is in every version
	last   int64  // etcd's revision of the journal; zero: it does not exist
	seq    uint64 // number of the latest transaction
	totals totals // as the journal has them
	memo   memo
}

func newWriter(e *Engine, valueBytes int) *writer {
	return &writer{engine: e, valueBytes: valueBytes, queue: queue{wake: make(chan struct{}, 1)}, run: newRun(), memo: memo{}}
}

func newRun() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}

// maxKeys is how many keys a transaction may have, each with a condition of its own beside two others. It leaves room for as
// many nested transactions, among which the changes are divided: etcd counts the operations of each one, and the conditions
// above it.
func (w *writer) maxKeys() int { return w.engine.maxOps/2 - 2 }

// work carries out what waits until the engine is closed.
func (w *writer) work() {
	for {
		select {
		case <-w.engine.ctx.Done():
			return
		case <-w.queue.wake:
		}
		for {
			g := &group{writer: w, keys: map[string]int{}}
			if !w.queue.take(g) {
				break
			}
			w.carryOut(g)
		}
	}
}

// carryOut carries out a group, and gives its operations their results.
func (w *writer) carryOut(g *group) {
	known, at, err := w.look(g)
	for err == nil {
		a := &attempt{run: w.run, now: time.Now().UnixNano(), cells: known}
		for _, c := range known {
			a.order = append(a.order, c)
		}
		a.apply(g)
		var mod int64
		if mod, err = w.commit(g, a, at); err == nil {
			w.deliver(g, a, mod)
			w.memo.learn(a.order, mod)
			return
		}
		w.memo.forget(g.keys)
		if errors.Is(err, errConflict) && g.condition() == nil {
			known, at, err = w.look(g)
		}
	}
	if errors.Is(err, store.ErrFull) {
		if reads := g.failWrites(err); len(reads.parts) > 0 {
			w.carryOut(reads)
		}
		return
	}
	g.fail(err)
}

// errConflict reports that something has changed since it was read. Nothing was written.
var errConflict = errors.New("something has changed in the meantime")

// look reads what etcd has of the keys of g. If they are too many for conditions of their own, it also returns the revision
// at which all of them were read, and otherwise zero.
func (w *writer) look(g *group) (map[string]*cell, int64, error) {
	ctx, e := w.engine.ctx, w.engine
	cells := make(map[string]*cell, len(g.keys))
	if len(g.keys) <= w.maxKeys() {
		w.recall(g, cells)
	}
	keys := make([]string, 0, len(g.keys)-len(cells))
	for key := range g.keys {
		if cells[key] == nil {
			keys = append(keys, key)
		}
	}
	at := int64(0)
	if len(keys) > w.maxKeys() {
		answer, err := e.read(ctx, &pb.RangeRequest{Key: []byte(e.names.journals), RangeEnd: end(e.names.journals), CountOnly: true})
		if err != nil {
			return nil, 0, err
		}
		at = answer.Header.Revision
	}
	for some := range slices.Chunk(keys, leastOps) {
		req := &pb.TxnRequest{}
		for _, key := range some {
			// What is read may be stale: the transaction finds out.
			req.Success = append(req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
				RequestRange: &pb.RangeRequest{Key: e.names.entry(key), Revision: at, Serializable: at == 0},
			}})
		}
		answer, err := e.txn(ctx, req)
		if err != nil {
			return nil, 0, err
		}
		for i, key := range some {
			if cells[key], err = newCell(key, answer.Responses[i].GetResponseRange().Kvs); err != nil {
				return nil, 0, err
			}
		}
	}
	return cells, at, w.readValues(g, cells)
}

// recall fills cells with what is known without reading.
func (w *writer) recall(g *group, cells map[string]*cell) {
	values := map[string]bool{}
	for _, p := range g.parts {
		for _, op := range p.ops() {
			if needsValue(op) {
				values[op.Key] = true
			}
		}
	}
	for key := range g.keys {
		if c := w.memo.recall(key, values[key]); c != nil {
			cells[key] = c
		}
	}
}

func newCell(key string, kvs []*mvccpb.KeyValue) (*cell, error) {
	c := &cell{key: key}
	if len(kvs) == 0 {
		return c, nil
	}
	var err error
	c.before, err = unpack(kvs[0].Value)
	c.mod, c.exists, c.now = kvs[0].ModRevision, true, c.before
	return c, err
}

// readValues reads the long values that gets of g need.
func (w *writer) readValues(g *group, cells map[string]*cell) error {
	room := store.BatchBytes
	for _, p := range g.parts {
		for _, op := range p.ops() {
			c := cells[op.Key]
			if op.Kind != store.Get || !c.now.long || c.now.value != nil {
				continue
			}
			if room -= c.now.size; room < 0 && len(p.ops()) > 1 {
				continue // it is left out
			}
			// If the value is a later one, so is the entry, and the transaction finds out.
			answer, err := w.engine.read(w.engine.ctx, &pb.RangeRequest{Key: w.engine.names.value(op.Key)})
			if err != nil {
				return err
			}
			if len(answer.Kvs) > 0 {
				c.before.value, c.now.value = answer.Kvs[0].Value, answer.Kvs[0].Value
			}
		}
	}
	return nil
}

// deliver gives the operations of g their results. Mod is etcd's revision of the transaction.
func (w *writer) deliver(g *group, a *attempt, mod int64) {
	now := time.Now().UnixNano()
	for i, p := range g.parts {
		if a.errs[i] != nil {
			p.call.err = a.errs[i]
		}
		for n, r := range a.results[i] {
			if a.errs[i] == nil {
				p.call.results[p.from+n] = w.engine.finished(p.ops()[n], r, mod, now)
			}
		}
		w.queue.finish(p.call, p.to-p.from)
	}
}

// finished returns r as engines return it.
func (e *Engine) finished(op store.Operation, r result, mod, now int64) store.Result {
	switch {
	case r.hit:
		e.hits.Add(1)
	case r.miss:
		e.misses.Add(1)
	}
	if r.has {
		value, at := r.Entry.Value, mod
		if r.mod != 0 {
			at = r.mod
		}
		r.Entry = r.shown.show(op.Key, at, now)
		r.Entry.Value = value
	}
	if r.index > 0 {
		r.Revision = revisionOf(mod, r.index-1)
	}
	return r.Result
}

// commit carries out the transaction of a, and returns its revision. At is as look returned it. It fails with errConflict if
// what was read has changed. Reads require the journal too: after a backup was restored, an entry can have the revision of one
// that was lost, and another value.
func (w *writer) commit(g *group, a *attempt, at int64) (int64, error) {
	name := w.engine.names.journal(w.run)
	conditions := append(w.conditions(a, at), unchanged(name, w.last))
	if extra := g.condition(); extra != nil {
		conditions = append(conditions, extra)
	}
	failure := []*pb.RequestOp{get(name)}
	if len(a.changes) == 0 {
		// Without something to read, etcd would answer from what the member happens to have.
		answer, err := w.engine.txn(w.engine.ctx, &pb.TxnRequest{
			Compare: conditions, Success: []*pb.RequestOp{get([]byte(w.engine.names.format))}, Failure: failure,
		})
		if err == nil && !answer.Succeeded {
			err = w.conflict(answer.Responses)
		}
		return 0, err
	}
	if len(a.changes) > maxChanges {
		return 0, store.ErrTooLarge
	}
	w.seq++
	j := w.seal(a)
	ops := append(w.operations(a), put(name, j.pack()))
	success, err := w.divide(ops, len(conditions))
	if err != nil {
		return 0, err
	}
	mod, err := w.write(w.engine.ctx, &pb.TxnRequest{Compare: conditions, Success: success, Failure: failure}, j)
	if err == nil {
		w.totals = j.totals
	}
	return mod, err
}

// conditions returns what must not have changed.
func (w *writer) conditions(a *attempt, at int64) []*pb.Compare {
	if at != 0 {
		return []*pb.Compare{noneSince([]byte(w.engine.names.journals), end(w.engine.names.journals), at)}
	}
	all := make([]*pb.Compare, 0, len(a.order)+1)
	for _, c := range a.order {
		all = append(all, unchanged(w.engine.names.entry(c.key), c.mod))
	}
	return all
}

// seal returns the journal of a, and marks the changes that leave an entry as it is afterwards.
func (w *writer) seal(a *attempt) journal {
	j := journal{seq: w.seq, time: a.now, changes: a.changes, totals: w.totals}
	for _, c := range a.order {
		if c.last > 0 && c.exists {
			a.changes[c.last-1].final = true
		}
	}
	for i := range a.changes {
		c := &a.changes[i]
		a.totals.written += entryBytes(c.key, c.entry)
	}
	j.totals.add(a.totals)
	return j
}

// operations returns what etcd is to change.
func (w *writer) operations(a *attempt) []*pb.RequestOp {
	names, ops := w.engine.names, make([]*pb.RequestOp, 0, 2*len(a.order)+1)
	for _, c := range a.order {
		if c.last == 0 {
			continue
		}
		switch {
		case c.exists:
			ops = append(ops, put(names.entry(c.key), c.now.pack(false)))
		case c.mod != 0:
			ops = append(ops, remove(names.entry(c.key)))
		}
		switch {
		case c.exists && c.now.long && c.values > 0:
			ops = append(ops, put(names.value(c.key), c.now.value))
		case c.before.long && !(c.exists && c.now.long):
			ops = append(ops, remove(names.value(c.key)))
		}
		if c.before.expires == c.now.expires {
			continue
		}
		if c.before.expires != 0 {
			ops = append(ops, remove(names.deadline(c.before.expires, c.key)))
		}
		if c.now.expires != 0 {
			ops = append(ops, put(names.deadline(c.now.expires, c.key), nil))
		}
	}
	return ops
}

// divide divides ops among nested transactions if they are too many for one that has so many conditions.
func (w *writer) divide(ops []*pb.RequestOp, conditions int) ([]*pb.RequestOp, error) {
	most := w.engine.maxOps
	if len(ops) <= most {
		return ops, nil
	}
	for n := max(conditions, 2); n < most; n++ {
		if each := most - n; (len(ops)+each-1)/each <= n {
			var all []*pb.RequestOp
			for some := range slices.Chunk(ops, each) {
				all = append(all, nested(some))
			}
			return all, nil
		}
	}
	return nil, fmt.Errorf("%w: it takes %d operations of etcd", store.ErrTooLarge, len(ops))
}

// write carries out a transaction that has the journal j and requires the previous one. If the answer is lost, it finds out
// what has happened, until ctx ends.
func (w *writer) write(ctx context.Context, req *pb.TxnRequest, j journal) (int64, error) {
	answer, err := w.try(ctx, func(ctx context.Context, s *session) (*pb.TxnResponse, error) { return s.kv.Txn(ctx, req) })
	if err == nil {
		if !answer.Succeeded {
			return 0, w.conflict(answer.Responses)
		}
		w.last = answer.Header.Revision
		return w.last, nil
	}
	w.engine.cluster.failed()
	if rejected := refused(err); rejected != nil {
		return 0, rejected
	}
	return w.fence(ctx, j)
}

// try makes one attempt with the member in use.
func (w *writer) try(ctx context.Context, call func(context.Context, *session) (*pb.TxnResponse, error)) (*pb.TxnResponse, error) {
	s, _ := w.engine.cluster.use()
	ctx, cancel := s.within(ctx, attemptTimeout)
	defer cancel()
	return call(ctx, s)
}

// conflict returns errConflict after a condition did not hold, with the journal as etcd has it. If that is not as this engine
// has left it, it begins a new run: etcd has lost what was written, because a backup was restored, or the journal was removed.
func (w *writer) conflict(found []*pb.ResponseOp) error {
	if len(found) != 1 {
		return errConflict
	}
	if kvs := found[0].GetResponseRange().Kvs; len(kvs) != 1 || kvs[0].ModRevision != w.last {
		w.run, w.last, w.seq, w.totals, w.memo = newRun(), 0, 0, totals{}, memo{}
	}
	return errConflict
}

// fence writes the journal in place of the transaction that had j and whose answer was lost. If it can, that transaction has
// not happened and never will, because it required the journal as it was. Otherwise it has.
func (w *writer) fence(ctx context.Context, lost journal) (int64, error) {
	name := w.engine.names.journal(w.run)
	for ctx.Err() == nil {
		w.seq++
		empty := journal{seq: w.seq, time: time.Now().UnixNano(), totals: w.totals}
		answer, err := w.try(ctx, func(ctx context.Context, s *session) (*pb.TxnResponse, error) {
			return s.kv.Txn(ctx, &pb.TxnRequest{
				Compare: []*pb.Compare{unchanged(name, w.last)},
				Success: []*pb.RequestOp{put(name, empty.pack())},
				Failure: []*pb.RequestOp{get(name)},
			})
		})
		switch {
		case err != nil:
			w.engine.cluster.failed()
			w.pause()
			continue
		case answer.Succeeded:
			w.last = answer.Header.Revision
			return 0, errConflict
		}
		kvs := answer.Responses[0].GetResponseRange().Kvs
		if len(kvs) != 1 {
			break
		}
		found, err := unpackJournal(kvs[0].Value)
		if err != nil || found.seq < lost.seq {
			break // a backup was restored: nothing is known of what was lost with the rest
		}
		w.last = kvs[0].ModRevision
		if found.seq == lost.seq {
			return w.last, nil
		}
		return 0, errConflict // an earlier fence has been written
	}
	return 0, store.ErrUnknownOutcome
}

func (w *writer) pause() {
	_, changed := w.engine.cluster.use()
	select {
	case <-changed:
	case <-time.After(retryPause):
	case <-w.engine.ctx.Done():
	}
}

// abandonedAfter is how long an engine must not have written anything before others take over the totals in its journal. If
// it writes after all, it begins a new run.
const abandonedAfter = time.Hour

// begin writes the first journal. It takes over the totals of engines that are gone.
func (w *writer) begin(ctx context.Context) error {
	e := w.engine
	for {
		answer, err := e.read(ctx, e.allJournals())
		if err != nil {
			return err
		}
		now, sum := time.Now(), totals{}
		req := &pb.TxnRequest{Compare: []*pb.Compare{unchanged(e.names.journal(w.run), 0)}}
		w.totals = totals{}
		for _, kv := range answer.Kvs {
			j, err := unpackJournal(kv.Value)
			if err != nil {
				return err
			}
			sum.add(j.totals)
			if now.Sub(time.Unix(0, j.time)) > abandonedAfter && len(req.Success) < leastOps/2 {
				w.totals.add(j.totals)
				req.Compare = append(req.Compare, unchanged(kv.Key, kv.ModRevision))
				req.Success = append(req.Success, remove(kv.Key))
			}
		}
		w.seq++
		j := journal{seq: w.seq, time: now.UnixNano(), totals: w.totals}
		req.Success = append(req.Success, put(e.names.journal(w.run), j.pack()))
		mod, err := w.write(ctx, req, j)
		if errors.Is(err, errConflict) {
			w.run, w.last, w.seq = newRun(), 0, 0
			continue
		}
		w.last, e.began = mod, sum
		return cmp.Or(ctx.Err(), err)
	}
}

// Do performs one operation.
func (e *Engine) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	if op.Kind == store.Get {
		return e.get(ctx, op)
	}
	results, err := e.writer.do(ctx, []store.Operation{op}, false)
	if err != nil {
		return store.Result{}, err
	}
	result := results[0]
	err, result.Err = result.Err, nil
	return result, err
}

// Batch performs operations in order.
func (e *Engine) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	switch {
	case len(ops) == 0:
		return nil, ctx.Err()
	case !atomic && !slices.ContainsFunc(ops, func(op store.Operation) bool { return op.Kind != store.Get }):
		return e.gets(ctx, ops)
	}
	return e.writer.do(ctx, ops, atomic)
}
