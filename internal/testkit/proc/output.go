package proc

import (
	"context"
	"regexp"
	"strings"
	"sync"
)

const (
	// outputBytes is how much of a program's output is kept. Beyond it, the middle is dropped: the beginning says where
	// the program listens, and the end why it failed.
	outputBytes = 1 << 20
	// tailLines is how many lines of output an error message quotes.
	tailLines = 8
)

// Output collects what a program writes. It keeps the first and the last of it, up to a megabyte in all. The zero value
// is empty and ready to use.
type Output struct {
	mu      sync.Mutex
	text    []byte        // guarded by mu
	changed chan struct{} // closed at the next write; nil while no one waits; guarded by mu
}

// Write appends p. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if len(o.text) > outputBytes {
		tail := o.text[len(o.text)-outputBytes/4:]
		o.text = append(o.text[:outputBytes/4], tail...)
	}
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return len(p), nil
}

// String returns what has been written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// Changed returns a channel that is closed at the next write. Call it before looking at the text, so that no write is
// missed.
func (o *Output) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.changed
}

// Find waits until pattern matches and returns the text of its first group, or of the whole match if it has no group. It
// returns false if ctx is done first.
func (o *Output) Find(ctx context.Context, pattern string) (string, bool) {
	for {
		changed := o.Changed()
		if match, ok := o.match(pattern); ok {
			return match, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

func (o *Output) match(pattern string) (string, bool) {
	match := regexp.MustCompile(pattern).FindStringSubmatch(o.String())
	if match == nil {
		return "", false
	}
	return match[min(1, len(match)-1)], true
}

// tail returns the last lines, for an error message.
func (o *Output) tail() string {
	lines := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
