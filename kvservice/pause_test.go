package kvservice_test

import (
	"testing"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/memory/wal/vfs"
)

// stalling is a directory whose files are not synced while its gate is closed.
type stalling struct {
	vfs.FS
	gate chan struct{} // has a value while it is open
}

func (s stalling) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	return stalled{f, s.gate}, err
}

type stalled struct {
	vfs.File
	gate chan struct{}
}

func (f stalled) Sync() error {
	f.gate <- <-f.gate
	return f.File.Sync()
}

// Batches that wait for the disk do not keep others from running, however few may run at a time.
func TestBatchesThatWaitForTheDiskLetOthersRun(t *testing.T) {
	dir, err := vfs.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{}, 1)
	gate <- struct{}{}
	engine, err := memory.Open(t.Context(), stalling{dir, gate}, memory.Options{}, memory.Durable{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	url := serveEngine(t, engine, kvservice.Config{Limiter: admission.New(admission.Config{Large: 1})})
	kv := wiretest.Wires()[0].Dial(t, url)
	set := func() error {
		_, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opSet(text("k", "v"))}})
		return err
	}
	logged := func() int64 { return engine.Log().Stats().LogBytes }

	empty := logged()
	if err := set(); err != nil {
		t.Fatal(err)
	}
	one := logged() - empty
	<-gate
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- set() }()
	}
	for deadline := time.Now().Add(2 * time.Minute); logged() < empty+3*one; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("a second batch does not begin while the first one waits for the disk")
			break
		}
	}
	gate <- struct{}{}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
