package h2

import (
	"net"
	"slices"
)

const (
	// BufferBytes is the size of the read buffer of a connection that brings little, as an idle one. It has room for a
	// few requests without a body. The servers behind it need none of their own.
	BufferBytes = 512
	// bufferMin and bufferMax are the sizes from which and to which the buffer grows while reads keep filling it. Only a
	// long header block makes it grow further.
	bufferMin, bufferMax = 4 << 10, 32 << 10
	// smallReads is after how many reads in a row that a buffer of BufferBytes has room for it has this size again.
	smallReads = 16
	// directBytes is how much of a frame must be missing for a read to bypass the buffer.
	directBytes = 8 << 10
)

// Verdict says what becomes of a frame.
type Verdict int

const (
	More       Verdict = iota // undecided: ask again when more has arrived
	Pass                      // the server reads it
	PassAll                   // the server reads it and everything after it; no further frame is judged
	Drop                      // the server does not read it
	Hold                      // undecided: ask again after the pacer has waited
	substitute                // the server reads other bytes, see [Filter.Substitute]
)

// Pacer tells a [Filter] when to read.
type Pacer interface {
	// Pace may delay the reader. It returns how many bytes may be passed on before the next call.
	Pace() int
	// Wait returns when a frame whose verdict was [Hold] may be judged again.
	Wait()
}

// Filter reads the frames of a connection on behalf of a server, and holds some of them back.
type Filter struct {
	conn net.Conn
	// judge decides about the frame f at the start of rest, which may hold only a part of it. Nil: all frames pass.
	judge func(f Frame, rest []byte) Verdict
	pacer Pacer
	held  bool // whether the last verdict was Hold

	// buf[next:ready] is for the server to read; buf[ready:] has not been judged.
	buf         []byte
	next, ready int
	filled      bool // whether the last read filled the buffer
	small       int  // how many reads in a row brought little
	passing     int  // bytes of the current frame that are still to come and pass
	dropping    int  // bytes of the current frame that are still to come and are dropped

	substitute    []byte // what the server reads in place of the next substituteFor bytes
	substituteFor int
}

// NewFilter returns a filter of the bytes in buf, of which the first judged ones pass, and then of what conn brings.
func NewFilter(conn net.Conn, buf []byte, judged int, judge func(Frame, []byte) Verdict, pacer Pacer) *Filter {
	return &Filter{conn: conn, judge: judge, pacer: pacer, buf: buf, ready: judged}
}

// Substitute returns the verdict that the server reads with in place of the next n bytes. Only judge may call it.
func (f *Filter) Substitute(n int, with []byte) Verdict {
	f.substituteFor, f.substitute = n, with
	return substitute
}

// Read implements [io.Reader].
func (f *Filter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.next == f.ready {
		f.sift(f.pacer.Pace())
		if f.next < f.ready {
			break
		}
		if f.held {
			f.held = false
			f.pacer.Wait()
			continue
		}
		if n := f.direct(len(p)); n > 0 {
			return f.readDirect(p[:n])
		}
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.buf[f.next:f.ready])
	f.next += n
	return n, nil
}

// direct returns how many of size bytes may be read past the buffer, because they are the rest of a long frame that
// passes. Zero: none.
func (f *Filter) direct(size int) int {
	if f.ready != len(f.buf) || f.dropping != 0 {
		return 0
	}
	if f.judge != nil {
		size = min(size, f.passing)
	}
	if size < directBytes {
		return 0
	}
	return size
}

func (f *Filter) readDirect(p []byte) (int, error) {
	n, err := f.conn.Read(p)
	f.passing = max(0, f.passing-n)
	return n, err
}

// fill reads from the connection into the buffer, and makes room first if there is none.
func (f *Filter) fill() error {
	f.buf = f.buf[:copy(f.buf, f.buf[f.next:])]
	f.ready -= f.next
	f.next = 0
	f.resize()
	n, err := f.conn.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	f.filled = len(f.buf) == cap(f.buf)
	if f.small++; n >= BufferBytes {
		f.small = 0
	}
	if n > 0 {
		return nil
	}
	return err
}

// resize makes the buffer larger if there is no room in it or the last read has filled it, and small again if it is empty
// and reads have been small for a while.
func (f *Filter) resize() {
	size := cap(f.buf)
	switch {
	case len(f.buf) == size || f.filled && size < bufferMax:
		size = max(bufferMin, 2*size)
	case len(f.buf) == 0 && f.small >= smallReads:
		size = BufferBytes
	}
	if size != cap(f.buf) {
		f.buf = append(make([]byte, 0, size), f.buf...)
	}
}

// sift judges buffered frames and moves ready as far as it can, or up to the first frame that ends limit bytes or more
// after next.
func (f *Filter) sift(limit int) {
	for f.ready < len(f.buf) && f.ready-f.next < limit {
		switch rest := f.buf[f.ready:]; {
		case f.passing > 0:
			n := min(f.passing, len(rest))
			f.passing -= n
			f.ready += n
		case f.dropping > 0:
			n := min(f.dropping, len(rest))
			f.dropping -= n
			f.buf = f.buf[:f.ready+copy(rest, rest[n:])]
		case f.judge == nil:
			f.ready = len(f.buf)
		case len(rest) < FrameHeaderBytes || !f.apply(ParseFrame(rest), rest):
			return
		}
	}
}

// apply carries out the verdict on frame, or returns false if there is none yet.
func (f *Filter) apply(frame Frame, rest []byte) bool {
	switch f.judge(frame, rest) {
	case More:
		if len(rest) < MaxHeaderBlock {
			return false
		}
		f.judge = nil // too long for a header block: the server rejects it
	case Hold:
		f.held = true
		return false
	case Pass:
		f.passing = frame.Size()
	case PassAll:
		f.judge = nil
	case Drop:
		f.dropping = frame.Size()
	case substitute:
		f.buf = slices.Replace(f.buf, f.ready, f.ready+f.substituteFor, f.substitute...)
		f.ready += len(f.substitute)
	}
	return true
}
