package etcd

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"key-value/kvservice/store"
)

// part is operations of a call that go into one transaction.
type part struct {
	call     *call
	from, to int
}

func (p part) ops() []store.Operation { return p.call.ops[p.from:p.to] }

// group is what goes into one transaction.
type group struct {
	writer *writer
	parts  []part
	keys   map[string]int // :: key → the length of the value that it is set to in this group
	bytes  int
}

// maxGroupBytes is how many bytes go into one transaction, unless one value or an atomic batch has more. It is less than what
// etcd takes by default.
const maxGroupBytes = 1 << 20

// opOverhead is about what an operation takes in a request in addition to its value and three times its key.
const opOverhead = 128

func opBytes(op store.Operation) int { return len(op.Value) + 3*len(op.Key) + opOverhead }

// fits reports whether ops can be added to g.
func (g *group) fits(ops []store.Operation) bool {
	if g.condition() != nil {
		return false
	}
	keys, bytes := len(g.keys), g.bytes
	for _, op := range ops {
		size, known := g.keys[op.Key]
		if !known {
			keys++
		}
		if size > inlineBytes && op.Kind != store.Get {
			return false // the journal would have to hold the long value that is replaced
		}
		bytes += opBytes(op)
	}
	return keys <= g.writer.maxKeys() && bytes <= maxGroupBytes
}

// condition returns the condition of the call in g, which is alone then, or nil.
func (g *group) condition() *pb.Compare {
	if len(g.parts) == 0 {
		return nil
	}
	return g.parts[0].call.condition
}

func (g *group) count(op store.Operation) {
	size := g.keys[op.Key]
	if op.Kind == store.Set {
		size = len(op.Value)
	}
	g.keys[op.Key] = size
	g.bytes += opBytes(op)
}

func (g *group) add(c *call, from, to int) {
	for _, op := range c.ops[from:to] {
		g.count(op)
	}
	g.parts = append(g.parts, part{c, from, to})
}

// fail gives every operation of g the same error.
func (g *group) fail(err error) {
	for _, p := range g.parts {
		if p.call.atomic {
			p.call.err = err
		} else {
			for i := p.from; i < p.to; i++ {
				p.call.results[i] = store.Result{Err: err}
			}
		}
		g.writer.queue.finish(p.call, p.to-p.from)
	}
}

// failWrites gives the writes of g the same error, and atomic batches that have one. It returns a group of the rest, which
// etcd carries out even if it is full.
func (g *group) failWrites(err error) *group {
	writes := &group{writer: g.writer}
	reads := &group{writer: g.writer, keys: map[string]int{}}
	for _, p := range g.parts {
		if p.call.atomic {
			chosen := reads
			if slices.ContainsFunc(p.ops(), isWrite) {
				chosen = writes
			}
			chosen.parts = append(chosen.parts, p)
			continue
		}
		for i := p.from; i < p.to; i++ {
			chosen := reads
			if isWrite(p.call.ops[i]) {
				chosen = writes
			}
			chosen.parts = append(chosen.parts, part{p.call, i, i + 1})
		}
	}
	writes.fail(err)
	for _, p := range reads.parts {
		for _, op := range p.ops() {
			reads.count(op)
		}
	}
	return reads
}

func isWrite(op store.Operation) bool { return op.Kind != store.Get }
