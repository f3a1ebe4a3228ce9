package cli

import (
	"context"
	"sync/atomic"
	"testing"

	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

// meddled is an engine in which another caller writes the key a while it is moved.
type meddled struct {
	store.Engine

	apart  bool         // keys cannot be changed together
	meddle func()       // nil: nobody writes
	calls  atomic.Int32 // operations on a
}

func (m *meddled) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	if op.Key == "a" && m.calls.Add(1) == 2 && m.meddle != nil { // the first one reads
		m.meddle()
	}
	return m.Engine.Do(ctx, op)
}

func (m *meddled) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	if atomic && m.apart {
		return nil, store.ErrAcrossShards
	}
	if m.calls.Add(1) == 2 && m.meddle != nil {
		m.meddle()
	}
	return m.Engine.Batch(ctx, ops, atomic)
}

// move moves a, which is "mine", to b, while another may write "other".
func (m *meddled) move(t *testing.T, other bool, code int, a, b result) {
	t.Helper()
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	direct := startHandler(t, kvservice.New(engine, kvservice.Config{}))
	if m.Engine = engine; other {
		m.meddle = func() { kv(t, direct, "other", "set", "a") }
	}
	kv(t, direct, "mine", "set", "a")
	got := kv(t, startHandler(t, kvservice.New(m, kvservice.Config{})), "", "mv", "a", "b")
	atA, atB := kv(t, direct, "", "get", "a"), kv(t, direct, "", "get", "b")
	if got.code != code || atA != a || atB != b {
		t.Errorf("kv mv = %+v, then a = %+v, b = %+v; want code %d, %+v and %+v", got, atA, atB, code, a, b)
	}
}

var absent = result{code: 3, err: "kv: there is no key \"a\"\n"}

func TestAMoveLosesNoWrite(t *testing.T) {
	t.Parallel()
	(&meddled{}).move(t, false, 0, absent, result{out: "mine"})
	(&meddled{}).move(t, true, 0, absent, result{out: "other"})
}

func TestAMoveInTwoStepsLosesNoWrite(t *testing.T) {
	t.Parallel()
	(&meddled{apart: true}).move(t, false, 0, absent, result{out: "mine"})
	(&meddled{apart: true}).move(t, true, 6, result{out: "other"}, result{out: "mine"})
}
