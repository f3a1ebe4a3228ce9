package admission_test

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"key-value/internal/admission"
)

// A rejection must not wait until the processor has nothing else to do. With one processor, calls that arrive mostly run
// before the next large call; not always, because the operating system schedules too.
func TestArrivingCallsRunBeforeTheNextLargeCall(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, runsFirst := range map[string]func(*testing.T) bool{
		"the next": beforeTheNext, "the first": beforeTheFirst,
	} {
		const tries = 100
		first := 0
		for range tries {
			if runsFirst(t) {
				first++
			}
		}
		if first < tries/2 {
			t.Errorf("arriving calls ran before %s large call %d times of %d, want most", name, first, tries)
		}
	}
}

// beforeTheFirst reports whether most of the calls that arrive together had run by the time the first is admitted.
// Otherwise each would find no other call running, and none would be rejected.
func beforeTheFirst(t *testing.T) bool {
	l := admission.New(admission.Config{Large: 1})
	const callers = 10
	var began atomic.Int64
	seen := make(chan int64, callers)
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			began.Add(1)
			if l.AcquireLarge(t.Context()) == nil {
				seen <- began.Load()
				l.ReleaseLarge(t.Context())
			}
		})
	}
	calls.Wait()
	return <-seen > callers/2
}

// beforeTheNext reports whether a request that arrives during a large call is read before the next large call begins.
func beforeTheNext(t *testing.T) bool {
	l := admission.New(admission.Config{Large: 1})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	var seen atomic.Bool
	waiting, readErr, next := make(chan struct{}), make(chan error, 1), make(chan bool, 1)
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := read.Read(make([]byte, 1))
		seen.Store(true)
		readErr <- err
	}()
	go func() {
		close(waiting)
		err := l.AcquireLarge(t.Context())
		next <- err == nil && seen.Load()
		l.ReleaseLarge(t.Context())
	}()
	<-waiting
	runtime.Gosched() // with one processor, both wait now
	if _, err := write.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	l.ReleaseLarge(t.Context())
	saw := <-next
	if err := <-readErr; err != nil {
		t.Fatal(err)
	}
	return saw
}
