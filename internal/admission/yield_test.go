package admission_test

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"key-value/internal/admission"
)

// Who must be refused should not have to wait until the processor has nothing else to do. With one processor, who comes
// is mostly looked at first; not always, because the operating system may come in between.
func TestWhoeverComesIsLookedAtFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, looksFirst := range map[string]func(*testing.T) bool{
		"before the next turn": beforeTheNext, "before the first turn": beforeTheFirst,
	} {
		const tries = 100
		first := 0
		for range tries {
			if looksFirst(t) {
				first++
			}
		}
		if first < tries/2 {
			t.Errorf("who came was looked at %s %d times of %d", name, first, tries)
		}
	}
}

// beforeTheFirst reports whether most of those who come at once have been looked at when the first begins its work.
// Otherwise each would find nobody at work when it is looked at, and none would be refused.
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

// beforeTheNext reports whether somebody whose request comes while others take turns has seen it when the next begins.
func beforeTheNext(t *testing.T) bool {
	l := admission.New(admission.Config{Large: 1})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	var seen atomic.Bool
	waiting, looked, next := make(chan struct{}), make(chan error, 1), make(chan bool, 1)
	if err := l.AcquireLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := read.Read(make([]byte, 1))
		seen.Store(true)
		looked <- err
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
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	return saw
}
