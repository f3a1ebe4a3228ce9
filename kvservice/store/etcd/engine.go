// Package etcd is the storage engine that keeps entries in etcd.
//
// Every change is one transaction of etcd, which is on the disks of most members before it is acknowledged. So nothing that
// was acknowledged is lost or read stale when a member fails. The engine itself holds no state that matters, and any number
// of programs can use the same data.
//
// Writes that arrive while a transaction is on its way go together into the next one. A transaction requires that the
// entries it read have not changed since, and that the engine's journal has not either. Only the engine itself writes
// its journal, and does so with each transaction. So when the answer to a transaction is lost, another one tells whether it
// has happened, and makes sure that it will not happen later: its outcome is found out, and it is never done twice.
//
// A version is the random number of the run of an engine that wrote it, with etcd's revision and the index of the change in
// its transaction. The journal also notices that a backup was restored, after which etcd assigns the same revisions again:
// the engine then begins a new run.
//
// Entries expire by the clocks of the programs that use the data, which therefore must agree as closely as expiry is to be
// exact.
package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"key-value/kvservice/store"
)

// Engine is a [store.Engine] in etcd. Create one with [Open].
type Engine struct {
	names    names
	cluster  *cluster
	writer   *writer
	follower *follower
	maxOps   int   // operations that etcd takes in a transaction
	history  int64 // bytes of changes to keep
	start    time.Time
	run      string // identifies this run in statistics
	began    totals // when the engine was opened
	hits     atomic.Int64
	misses   atomic.Int64
	watches  atomic.Int64

	ctx     context.Context // done when the engine is closed
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

var _ store.Engine = (*Engine)(nil)

// Open connects to the members, and checks that they can do what the engine needs.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.HistoryBytes == 0 {
		o.HistoryBytes = defaultHistoryBytes
	}
	if o.MaxValueBytes == 0 {
		o.MaxValueBytes = defaultValueBytes
	}
	e := &Engine{names: newNames(o.Prefix), cluster: newCluster(o), history: o.HistoryBytes, start: time.Now(), run: rand.Text()}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.writer, e.follower = newWriter(e, o.MaxValueBytes), newFollower(e)
	if err := e.prepare(ctx, o); err != nil {
		e.cancel()
		e.cluster.close()
		return nil, err
	}
	for _, work := range []func(){
		func() { e.cluster.keep(e.ctx) }, e.writer.work, e.sweep, e.compact, e.follower.work,
	} {
		e.workers.Go(work)
	}
	return e, nil
}

// prepare checks the members and sets up what etcd lacks.
func (e *Engine) prepare(ctx context.Context, o Options) error {
	if err := e.cluster.find(ctx, openTimeout); err != nil {
		return fmt.Errorf("connect to %s: %w", strings.Join(o.Addresses, ", "), errors.Join(err, e.cluster.explain(ctx)))
	}
	s, _ := e.cluster.use()
	if err := checkVersion(s.status.Version, o.AnyVersion); err != nil {
		return err
	}
	if err := e.checkFormat(ctx); err != nil {
		return err
	}
	if err := e.findLimits(ctx, o.MaxValueBytes); err != nil {
		return err
	}
	return e.writer.begin(ctx)
}

// oldest is the first version of etcd, major and minor, without known inconsistencies.
var oldest = [2]int{3, 6}

func checkVersion(version string, anyVersion bool) error {
	parts := strings.SplitN(version, ".", 3)
	var numbers [2]int
	for i := range numbers {
		if i < len(parts) {
			numbers[i], _ = strconv.Atoi(parts[i])
		}
	}
	if anyVersion || numbers[0] > oldest[0] || numbers[0] == oldest[0] && numbers[1] >= oldest[1] {
		return nil
	}
	return fmt.Errorf(
		"etcd has version %s, and versions before %d.%d can lose or corrupt data: upgrade it, or add ?any-version=true to the address",
		version, oldest[0], oldest[1])
}

// checkFormat checks that what is in etcd was written by this version of the engine, or nothing is.
func (e *Engine) checkFormat(ctx context.Context) error {
	name := []byte(e.names.format)
	answer, err := e.txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{unchanged(name, 0)},
		Success: []*pb.RequestOp{put(name, []byte(formatVersion))},
		Failure: []*pb.RequestOp{get(name)},
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", e.names.format, err)
	}
	if answer.Succeeded {
		return nil
	}
	if found := string(answer.Responses[0].GetResponseRange().Kvs[0].Value); found != formatVersion {
		return fmt.Errorf("%s is %q: another version of this program wrote the data, or another program; want %q", e.names.format, found, formatVersion)
	}
	return nil
}

const (
	// leastOps is etcd's default limit of operations in a transaction, with which the engine works.
	leastOps = 128
	// mostOps is how many operations the engine uses if etcd allows as many.
	mostOps = 2048
	// requestOverhead is how much longer than a value a request with it may be, in bytes.
	requestOverhead = 16 << 10
	// grpcOverhead is how many bytes a message may have in addition to what etcd allows for a request.
	grpcOverhead = 512 << 10
)

// findLimits finds out what etcd allows, without writing anything.
func (e *Engine) findLimits(ctx context.Context, valueBytes int) error {
	for e.maxOps = mostOps; ; e.maxOps /= 2 {
		if e.maxOps < leastOps {
			return fmt.Errorf("etcd takes fewer than %d operations in a transaction: start it with --max-txn-ops=%d or more", leastOps, leastOps)
		}
		probe := &pb.TxnRequest{}
		for range e.maxOps {
			probe.Success = append(probe.Success, get([]byte(e.names.format)))
		}
		_, err := e.txn(ctx, probe)
		if err == nil {
			break
		}
		if !isError(err, rpctypes.ErrGRPCTooManyOps) {
			return fmt.Errorf("find out how many operations etcd takes: %w", err)
		}
	}
	need := valueBytes + requestOverhead
	long := append([]byte(e.names.entries), make([]byte, need+grpcOverhead-len(e.names.entries)-64)...)
	_, err := e.read(ctx, &pb.RangeRequest{Key: long, CountOnly: true})
	if errors.Is(err, store.ErrTooLarge) {
		return fmt.Errorf("etcd does not take values of %d bytes: start it with --max-request-bytes=%d or more, or lower the maximum length of values",
			valueBytes, need)
	}
	return err
}

// Close ends the watches and waits for the engine's goroutines.
func (e *Engine) Close() error {
	e.cancel()
	e.workers.Wait()
	e.cluster.close()
	return nil
}

// closed replaces an error that results from closing the engine with [store.ErrClosed], unless something may have been changed.
func (e *Engine) closed(err error) error {
	if err != nil && e.ctx.Err() != nil && !errors.Is(err, store.ErrUnknownOutcome) {
		return store.ErrClosed
	}
	return err
}

// Stats returns statistics of the data and of what this engine did. MemoryBytes is about what the entries take in etcd,
// without earlier versions. MaxMemory is etcd's quota, which is for everything in its database.
func (e *Engine) Stats(ctx context.Context) (store.Stats, error) {
	// At one instant, or else a sweep in between would count an entry twice, or not at all.
	answer, err := e.txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{
		{Request: &pb.RequestOp_RequestRange{RequestRange: e.allJournals()}},
		{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{
			Key: []byte(e.names.deadlines), RangeEnd: e.names.deadline(time.Now().UnixNano()+1, ""), CountOnly: true,
		}}},
	}})
	if err != nil {
		return store.Stats{}, e.closed(err)
	}
	sum, err := sumOf(answer.Responses[0].GetResponseRange().Kvs)
	if err != nil {
		return store.Stats{}, err
	}
	due := answer.Responses[1].GetResponseRange()
	s, _ := e.cluster.use()
	return store.Stats{
		Keys: sum.keys - due.Count, MemoryBytes: sum.bytes, MaxMemory: s.status.DbSizeQuota,
		Hits: e.hits.Load(), Misses: e.misses.Load(), Expirations: sum.expirations + due.Count - e.began.expirations, Watchers: e.watches.Load(),
		StartTime: time.Now().Add(-time.Since(e.start)).Round(0), Uptime: time.Since(e.start), Run: e.run,
		Guarantees: store.Guarantees{
			Engine: "etcd", Linearizable: true, LinearizableAcrossFailover: true, AtomicAcrossKeys: true, Durable: true,
			Durability: "nothing: every write is on the disks of most members of etcd before it is acknowledged",
		},
	}, nil
}

func (e *Engine) allJournals() *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(e.names.journals), RangeEnd: end(e.names.journals)}
}

// journals returns the sum of the totals of all engines, and the revision of etcd at which it was read.
func (e *Engine) journals(ctx context.Context) (sum totals, revision int64, err error) {
	answer, err := e.read(ctx, e.allJournals())
	if err != nil {
		return totals{}, 0, err
	}
	sum, err = sumOf(answer.Kvs)
	return sum, answer.Header.Revision, err
}

// sumOf returns the sum of the totals in journals.
func sumOf(journals []*mvccpb.KeyValue) (sum totals, err error) {
	for _, kv := range journals {
		j, err := unpackJournal(kv.Value)
		if err != nil {
			return totals{}, err
		}
		sum.add(j.totals)
	}
	return sum, nil
}

const (
	// sweepEvery is about how often expired entries are looked for. Each of several programs does so.
	sweepEvery = time.Second
	// sweepKeys is how many are removed at a time.
	sweepKeys = 100
)

// sweep removes expired entries until the engine is closed.
func (e *Engine) sweep() {
	for {
		pause := sweepEvery/2 + randv2.N(sweepEvery)
		if next, ok := e.expire(); ok {
			pause = min(pause, max(next, 5*time.Millisecond))
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// expire removes some expired entries, and returns the time until it is worth to do so again.
func (e *Engine) expire() (time.Duration, bool) {
	answer, err := e.read(e.ctx, &pb.RangeRequest{
		Key: []byte(e.names.deadlines), RangeEnd: end(e.names.deadlines), Limit: sweepKeys, KeysOnly: true, Serializable: true,
	})
	if err != nil {
		return 0, false
	}
	now, more, next := time.Now().UnixNano(), answer.More, time.Duration(0)
	var ops []store.Operation
	for _, kv := range answer.Kvs {
		key, expires, ok := e.names.due(kv.Key)
		if !ok {
			continue
		}
		if expires > now {
			more, next = true, time.Duration(expires-now)
			break
		}
		ops = append(ops, store.Operation{Kind: expireKind, Key: key})
	}
	if len(ops) > 0 {
		_, _ = e.writer.do(e.ctx, ops, false) // what is left is due again
	}
	return next, more
}

// compactEvery is how often the engine decides whether etcd is to forget old changes.
const compactEvery = time.Second

// compact makes etcd forget old changes until the engine is closed. Each of several programs does so.
func (e *Engine) compact() {
	type mark struct{ revision, written int64 }
	var marks []mark // oldest first, one for each sixteenth of the history
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(compactEvery):
		}
		sum, revision, err := e.journals(e.ctx)
		if err != nil {
			continue
		}
		if len(marks) == 0 || sum.written-marks[len(marks)-1].written > e.history/16 {
			marks = append(marks, mark{revision, sum.written})
		}
		old := 0
		for old < len(marks) && sum.written-marks[old].written > e.history {
			old++
		}
		if old == 0 {
			continue
		}
		s, _ := e.cluster.use()
		ctx, cancel := s.within(e.ctx, attemptTimeout)
		_, _ = s.kv.Compact(ctx, &pb.CompactionRequest{Revision: marks[old-1].revision}) // another program may have done so
		cancel()
		marks = marks[old:]
	}
}
