package admission_test

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"key-value/internal/admission"
)

// Who must be refused should not have to wait until the processor has nothing else to do.
func TestWhoeverComesIsLookedAtBeforeTheNextTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const tries = 100
	first := 0
	for range tries {
		if looksFirst(t) {
			first++
		}
	}
	if first < tries/2 { // the operating system may always come in between
		t.Errorf("who came was looked at before the next turn %d times of %d", first, tries)
	}
}

// looksFirst reports whether somebody whose request comes while others take turns has seen it before the next of them begins.
func looksFirst(t *testing.T) bool {
	l := admission.New(admission.Config{Turns: 1})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	var seen atomic.Bool
	waiting, looked, next := make(chan struct{}), make(chan error, 1), make(chan bool, 1)
	if err := l.EnterLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := read.Read(make([]byte, 1))
		seen.Store(true)
		looked <- err
	}()
	go func() {
		close(waiting)
		err := l.EnterLarge(t.Context())
		next <- err == nil && seen.Load()
		l.LeaveLarge()
	}()
	<-waiting
	runtime.Gosched() // with one processor, both wait now
	if _, err := write.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	l.LeaveLarge()
	saw := <-next
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	return saw
}
