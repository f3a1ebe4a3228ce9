package tlsfiles

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// every is how often files are looked at. They are read as a whole, because a time stamp can miss a change and a
// notification can miss a file that is replaced by way of a link, as Kubernetes does.
const every = time.Second

// followed is something that is read from files, of type T.
type followed[T any] struct {
	files   []string
	parse   func(contents [][]byte) (*T, error)
	replace func(*T) error // says why a value must not replace the one in use; nil: any may
	current atomic.Pointer[T]
	inUse   [][]byte // the contents that current is from; only one goroutine uses it
	failed  string   // why what the files hold now is not in use; only one goroutine uses it
}

// open reads the files for the first time.
func (f *followed[T]) open() error {
	contents, err := f.read()
	if err != nil {
		return err
	}
	value, err := f.parse(contents)
	if err != nil {
		return err
	}
	f.use(value, contents)
	return nil
}

func (f *followed[T]) read() (contents [][]byte, err error) {
	for _, file := range f.files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func (f *followed[T]) use(value *T, contents [][]byte) {
	f.inUse, f.failed = contents, ""
	f.current.Store(value)
}

// look takes what the files hold now, if that has changed and is any good, and tells log.
func (f *followed[T]) look(log *slog.Logger) {
	contents, err := f.read()
	if err == nil && slices.EqualFunc(contents, f.inUse, bytes.Equal) {
		f.failed = ""
		return
	}
	var value *T
	if err == nil {
		value, err = f.parse(contents)
	}
	if err == nil && f.replace != nil {
		err = f.replace(value)
	}
	if err != nil {
		f.fail(log, err)
		return
	}
	f.use(value, contents)
	log.Info("read anew", "files", f.files)
}

// fail says once why what the files held before stays in use. Of two files that belong together one is written
// first, so this may also be said of a change that is only half done.
func (f *followed[T]) fail(log *slog.Logger, err error) {
	if why := err.Error(); f.failed != why {
		f.failed = why
		log.Error("cannot read anew; what was read before stays in use", "files", f.files, "error", err)
	}
}

// Follower is what Follow follows: a [Pair] or [Authorities].
type Follower interface{ look(log *slog.Logger) }

// Follow looks after changes of files until the function that it returns is called.
func Follow(log *slog.Logger, followers ...Follower) (stop func()) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, f := range followers {
					f.look(log)
				}
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); running.Wait() }
}
