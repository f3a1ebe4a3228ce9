package cli

import "fmt"

// failures are what failed of many operations. The zero value is none.
type failures struct {
	all, failed int
	first       error
}

// add counts an operation, which failed unless err is nil.
func (f *failures) add(err error) {
	f.all++
	if err == nil {
		return
	}
	f.failed++
	if f.first == nil {
		f.first = err
	}
}

// err is the error of all of them; the exit code is the first one's.
func (f *failures) err() error {
	if f.failed == 0 || f.all == 1 {
		return f.first
	}
	return fmt.Errorf("%d of %d operations failed; the first: %w", f.failed, f.all, f.first)
}

func (f *failures) merge(other failures) {
	f.all += other.all
	f.failed += other.failed
	if f.first == nil {
		f.first = other.first
	}
}
