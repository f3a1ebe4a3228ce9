package storetest

import (
	"context"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"key-value/kvservice/store"
)

// Store is the part of an engine that is checked against a [Model]. A client of the service can implement it too.
type Store interface {
	Do(ctx context.Context, op store.Operation) (store.Result, error)
	Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error)
	List(ctx context.Context, req store.ListRequest) (store.Page, error)
	DeleteRange(ctx context.Context, req store.RangeRequest) (store.RangeResult, error)
}

// CheckModel makes random sequential calls and compares their results with a [Model]. The keys begin with prefix, and
// must not exist.
func CheckModel(t rapid.TB, ctx context.Context, s Store, prefix string) {
	t.Helper()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		p := &driver{ctx: ctx, store: s, prefix: colocated(fmt.Sprint(prefix, round)), ttls: []time.Duration{0, time.Hour}}
		t.Repeat(p.moves())
	})
}

// driver makes random calls.
type driver struct {
	ctx      context.Context
	store    Store
	prefix   string
	ttls     []time.Duration
	model    Model
	versions []store.Version // all versions seen so far
}

func (p *driver) moves() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"do":           p.do,
		"batch":        p.batch,
		"list":         p.list,
		"delete range": p.deleteRange,
	}
}

func (p *driver) do(t *rapid.T) {
	op := p.operation(t)
	result, err := p.store.Do(p.ctx, op)
	p.see(result)
	if err := p.model.Check(op, result, err); err != nil {
		t.Fatal(err)
	}
}

func (p *driver) see(result store.Result) {
	if v := result.Entry.Version; v != (store.Version{}) {
		p.versions = append(p.versions, v)
	}
}

func (p *driver) batch(t *rapid.T) {
	ops := rapid.SliceOfN(rapid.Custom(p.operation), 0, 8).Draw(t, "operations")
	atomic := rapid.Bool().Draw(t, "atomic")
	results, err := p.store.Batch(p.ctx, ops, atomic)
	for _, result := range results {
		p.see(result)
	}
	if err := p.model.CheckBatch(ops, atomic, results, err); err != nil {
		t.Fatal(err)
	}
}

func (p *driver) list(t *rapid.T) {
	req := store.ListRequest{
		Prefix:    p.prefix + rapid.SampledFrom([]string{"", "a", "a/", "x"}).Draw(t, "prefix"),
		Start:     rapid.SampledFrom([]string{"", "", p.key(t), p.prefix + "a0"}).Draw(t, "start"),
		End:       rapid.SampledFrom([]string{"", "", p.key(t), p.prefix + "a/bb"}).Draw(t, "end"),
		Reverse:   rapid.Bool().Draw(t, "reverse"),
		Delimiter: rapid.SampledFrom([]string{"", "/", "/b"}).Draw(t, "delimiter"),
		After:     rapid.SampledFrom([]string{"", p.key(t), p.prefix + "aa", p.prefix + "a/"}).Draw(t, "after"),
		Limit:     rapid.IntRange(1, 6).Draw(t, "limit"),
		MaxBytes:  rapid.SampledFrom([]int{1, 30, 1 << 20}).Draw(t, "bytes"),
		KeysOnly:  rapid.Bool().Draw(t, "keys only"),
	}
	page, err := p.store.List(p.ctx, req)
	if err != nil {
		t.Fatalf("list %+v: %v", req, err)
	}
	if err := p.model.CheckPage(req, page); err != nil {
		t.Fatal(err)
	}
}

func (p *driver) deleteRange(t *rapid.T) {
	req := store.RangeRequest{
		Prefix: p.prefix + rapid.SampledFrom([]string{"", "a", "a/", "x"}).Draw(t, "prefix"),
		Start:  rapid.SampledFrom([]string{"", "", p.key(t), p.prefix + "a0"}).Draw(t, "start"),
		End:    rapid.SampledFrom([]string{"", "", p.key(t), p.prefix + "a/bb"}).Draw(t, "end"),
		After:  rapid.SampledFrom([]string{"", "", p.key(t), p.prefix + "aa"}).Draw(t, "after"),
		Limit:  rapid.IntRange(1, 6).Draw(t, "limit"),
		DryRun: rapid.Bool().Draw(t, "dry run"),
	}
	result, err := p.store.DeleteRange(p.ctx, req)
	if err != nil {
		t.Fatalf("delete range %+v: %v", req, err)
	}
	if err := p.model.CheckDeleteRange(req, result); err != nil {
		t.Fatal(err)
	}
}

func (p *driver) key(t *rapid.T) string {
	return p.prefix + rapid.SampledFrom([]string{"a", "a/b", "a/c", "b", "é", "n"}).Draw(t, "key")
}

func (p *driver) operation(t *rapid.T) store.Operation {
	op := store.Operation{
		Kind:         rapid.SampledFrom([]store.Kind{store.Get, store.Set, store.Delete, store.Touch, store.Increment}).Draw(t, "kind"),
		Key:          p.key(t),
		Precondition: p.precondition(t),
	}
	switch op.Kind {
	case store.Set:
		op.Value = []byte(rapid.SampledFrom([]string{"", "1", "-7", "9223372036854775807", "word"}).Draw(t, "value"))
	case store.Increment:
		op.Delta = rapid.Int64().Draw(t, "delta")
		op.Initial = rapid.Int64Range(-2, 2).Draw(t, "initial")
	}
	if op.Kind != store.Get && op.Kind != store.Delete {
		op.TTL = rapid.SampledFrom(p.ttls).Draw(t, "ttl")
	}
	if op.Kind == store.Get {
		op.AllowMissing = rapid.Bool().Draw(t, "allow missing")
	}
	if op.Kind == store.Set && op.TTL == 0 {
		op.KeepTTL = rapid.Bool().Draw(t, "keep TTL")
	}
	return op
}

func (p *driver) precondition(t *rapid.T) store.Precondition {
	kinds := []store.Precondition{{}, {}, {}, store.IfExists(), store.IfAbsent(), store.IfVersion(store.Version{Epoch: 1})}
	for _, v := range p.versions[max(0, len(p.versions)-3):] {
		kinds = append(kinds, store.IfVersion(v))
	}
	return rapid.SampledFrom(kinds).Draw(t, "precondition")
}
