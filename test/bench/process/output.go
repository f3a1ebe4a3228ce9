package process

import (
	"strings"
	"sync"
)

// outputBytes bounds what is kept of a process's output: the beginning says where it listens, and the end why
// it failed.
const outputBytes = 64 << 10

// output collects what a process writes.
type output struct {
	mu    sync.Mutex
	text  []byte        // guarded by mu
	wrote chan struct{} // holds a token if text has grown since the last look
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if over := len(o.text) - outputBytes; over > 0 {
		o.text = append(o.text[:outputBytes/2], o.text[outputBytes/2+over:]...)
	}
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return len(p), nil
}

// after returns the word that follows mark, once a space or a line break ends it.
func (o *output) after(mark string) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, rest, ok := strings.Cut(string(o.text), mark)
	if !ok {
		return "", false
	}
	end := strings.IndexAny(rest, " \n")
	if end < 0 {
		return "", false
	}
	return rest[:end], true
}

// tail returns the last lines, for an error message.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(o.text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
