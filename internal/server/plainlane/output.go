package plainlane

import (
	"sync"

	"key-value/internal/server/lane"
)

// maxOutput is how much output is gathered before it is written, in bytes.
const maxOutput = 64 << 10

// output gathers what is written to a connection, so that a response, and the responses to requests that came together,
// are written at once.
type output struct {
	writer  *lane.Writer
	buffers *sync.Pool // of *[]byte; a connection has one only while it has output

	mu  sync.Mutex // held while writing
	buf *[]byte    // what is not written yet; nil: nothing; guarded by mu
	err error      // why no more can be written; guarded by mu
}

// add has appendTo append to the output.
func (o *output) add(appendTo func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if o.buf == nil {
		o.buf = o.buffers.Get().(*[]byte)
	}
	*o.buf = appendTo(*o.buf)
	if len(*o.buf) > maxOutput {
		return o.flushLocked()
	}
	return nil
}

// send adds p, or writes it if it is large.
func (o *output) send(p []byte) error {
	if len(p) <= maxOutput/2 {
		return o.add(func(out []byte) []byte { return append(out, p...) })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.flushLocked(); err != nil {
		return err
	}
	_, o.err = o.writer.Write(p)
	return o.err
}

// flush writes the output.
func (o *output) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flushLocked()
}

func (o *output) flushLocked() error {
	if o.err != nil || o.buf == nil {
		return o.err
	}
	_, o.err = o.writer.Write(*o.buf)
	*o.buf = (*o.buf)[:0]
	if cap(*o.buf) <= 2*maxOutput {
		o.buffers.Put(o.buf)
	}
	o.buf = nil
	return o.err
}
