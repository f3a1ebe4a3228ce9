// Package follow reloads values when the files that hold them change, so that a running program picks up new keys and
// certificates.
//
// Files are read once a second, as a whole. A change can leave the time stamp as it was, and a notification can miss a
// file that is replaced through a symbolic link, as Kubernetes does. If the new contents cannot be used, the value read
// last stays in use.
package follow

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// interval is the time between two looks at the files.
const interval = time.Second

// Config says which files hold a value and how to read it.
type Config[T any] struct {
	// Paths are the files. None: the value never changes.
	Paths []string
	// Read returns the contents of a file. Nil: [os.ReadFile].
	Read func(path string) ([]byte, error)
	// Parse returns the value that contents hold, which are those of Paths in order. It must be set.
	Parse func(contents [][]byte) (*T, error)
	// Check returns an error if a value must not replace the one in use. It is not called for the first value. Nil: every
	// value may.
	Check func(*T) error
	// Label names the files in logs. Zero: all paths, as "files".
	Label slog.Attr
	// Describe returns what to log about a new value. Nil: nothing but Label.
	Describe func(*T) slog.Attr
}

// Files is a value of type T that files hold. Load and Failures may be called at any time, Reload by one goroutine.
type Files[T any] struct {
	cfg      Config[T]
	current  atomic.Pointer[T]
	contents [][]byte // what current was parsed from
	failure  string   // why the files' present contents are not in use; empty if they are
	failures atomic.Int64
}

// Open reads the value for the first time.
func Open[T any](cfg Config[T]) (*Files[T], error) {
	if cfg.Read == nil {
		cfg.Read = os.ReadFile
	}
	if cfg.Label.Equal(slog.Attr{}) {
		cfg.Label = slog.Any("files", cfg.Paths)
	}
	f := &Files[T]{cfg: cfg}
	contents, err := f.read()
	if err != nil {
		return nil, err
	}
	value, err := cfg.Parse(contents)
	if err != nil {
		return nil, err
	}
	f.use(value, contents)
	return f, nil
}

// Load returns the value in use.
func (f *Files[T]) Load() *T { return f.current.Load() }

// Failures returns how many changes of the files could not be used. A failure that lasts counts once.
func (f *Files[T]) Failures() int64 { return f.failures.Load() }

// Reload reads the value again if the contents of the files changed, and logs what came of it.
func (f *Files[T]) Reload(log *slog.Logger) {
	contents, err := f.read()
	if err == nil && slices.EqualFunc(contents, f.contents, bytes.Equal) {
		f.failure = ""
		return
	}
	var value *T
	if err == nil {
		value, err = f.replacement(contents)
	}
	if err != nil {
		f.fail(log, err)
		return
	}
	f.use(value, contents)
	attrs := []any{f.cfg.Label}
	if f.cfg.Describe != nil {
		attrs = append(attrs, f.cfg.Describe(value))
	}
	log.Info("reloaded files", attrs...)
}

func (f *Files[T]) read() (contents [][]byte, err error) {
	for _, path := range f.cfg.Paths {
		content, err := f.cfg.Read(path)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

// replacement returns the value to use in place of the current one.
func (f *Files[T]) replacement(contents [][]byte) (*T, error) {
	value, err := f.cfg.Parse(contents)
	if err == nil && f.cfg.Check != nil {
		err = f.cfg.Check(value)
	}
	return value, err
}

func (f *Files[T]) use(value *T, contents [][]byte) {
	f.contents, f.failure = contents, ""
	f.current.Store(value)
}

// fail counts and logs a failure, unless the last look at the files failed in the same way. Of two files that belong
// together one is written first, so a change that is half done can be a failure too.
func (f *Files[T]) fail(log *slog.Logger, err error) {
	if f.failure == err.Error() {
		return
	}
	f.failure = err.Error()
	f.failures.Add(1)
	log.Error("cannot reload files; what they held before stays in use", f.cfg.Label, "error", err)
}

// Reloader is what Start calls: [Files], or something that embeds or wraps them.
type Reloader interface {
	Reload(log *slog.Logger)
}

// Start calls Reload of each of the reloaders once a second until stop is called.
func Start(log *slog.Logger, reloaders ...Reloader) (stop func()) {
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				for _, r := range reloaders {
					r.Reload(log)
				}
			case <-quit:
				return
			}
		}
	})
	return func() { close(quit); running.Wait() }
}
