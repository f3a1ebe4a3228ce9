package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns an engine that is closed at the end of the test.
func open(t *testing.T, options memory.Options) *memory.Engine {
	return closed(t, memory.New(options))
}

// deep is open for an engine whose tree becomes deep with few entries.
func deep(t *testing.T) *memory.Engine { return closed(t, memory.NewDeep(memory.Options{})) }

func closed(t *testing.T, e *memory.Engine) *memory.Engine {
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Engine { return open(t, memory.Options{}) })
}

func TestContractInADeepTree(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Engine { return deep(t) })
	storetest.RunExact(t, func() store.Engine { return memory.NewDeep(memory.Options{}) })
}

func TestContractToTheNanosecond(t *testing.T) {
	storetest.RunExact(t, func() store.Engine { return memory.New(memory.Options{}) })
}

func TestRevisionsGrowOverARestart(t *testing.T) {
	e := memory.New(memory.Options{})
	storetest.CheckRestart(t, e, func() store.Engine {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, memory.Options{})
	})
}

func TestSoak(t *testing.T) {
	storetest.Soak(t, func(t *testing.T) store.Engine { return open(t, memory.Options{}) })
}
