package h2

import (
	"net"
	"slices"
)

const (
	// bufferBytes is how much is read of a connection at once, in the beginning. Neither server needs a buffer
	// of its own.
	BufferBytes = 4 << 10
	// bufferMax is how much is read at once of a connection that always has more. A longer buffer is made for
	// a header block alone.
	bufferMax = 32 << 10
	// directBytes is how much of a frame must be missing for the buffer to be passed over.
	directBytes = 8 << 10
	// MaxHeaderBlock is room for a header block of the longest header list.
	MaxHeaderBlock = 48 << 10
)

// verdict is what becomes of a frame.
type Verdict int

const (
	More    Verdict = iota // it cannot be told before more has come
	Pass                   // the server gets it
	PassAll                // the server gets it and all further ones, unseen
	Drop                   // the server does not get it
	replace                // the server gets something else
)

// source reads frames from a connection and takes some of them out.
type Filter struct {
	conn net.Conn
	// judge says what becomes of the frame f, with which rest begins; rest may end before f does. Nil: all
	// pass.
	judge func(f Frame, rest []byte) Verdict

	// buf holds what was read: buf[next:ready] is for the server, and buf[ready:] has not been judged.
	buf         []byte
	next, ready int
	filled      bool   // whether the last read had more than there was room for
	instead     []byte // what the server gets where the verdict was replace
	insteadOf   int    // for how many bytes
	passing     int    // how many bytes of the current frame are still to come, and pass
	dropping    int    // the same, and do not
}

// NewFilter returns a filter of what was read already, of which looked bytes pass, and of what conn has still to give.
func NewFilter(conn net.Conn, read []byte, looked int, judge func(Frame, []byte) Verdict) *Filter {
	return &Filter{conn: conn, judge: judge, buf: read, ready: looked}
}

// Substitute is the verdict that the server gets with in place of the next n bytes.
func (s *Filter) Substitute(n int, with []byte) Verdict {
	s.insteadOf, s.instead = n, with
	return replace
}

// Read implements [io.Reader].
func (s *Filter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for s.next == s.ready {
		s.sift()
		if s.next < s.ready {
			break
		}
		if n := s.direct(len(p)); n > 0 {
			return s.readDirect(p[:n])
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.buf[s.next:s.ready])
	s.next += n
	return n, nil
}

// direct returns how much may be read past the buffer into one of the size: much of a long frame.
func (s *Filter) direct(size int) int {
	if s.ready != len(s.buf) || s.dropping != 0 {
		return 0
	}
	if s.judge != nil {
		size = min(size, s.passing)
	}
	if size < directBytes {
		return 0
	}
	return size
}

func (s *Filter) readDirect(p []byte) (int, error) {
	n, err := s.conn.Read(p)
	s.passing = max(0, s.passing-n)
	return n, err
}

// fill reads what there is into the buffer, which grows if a header block needs it.
func (s *Filter) fill() error {
	s.buf = s.buf[:copy(s.buf, s.buf[s.next:])]
	s.ready -= s.next
	s.next = 0
	if len(s.buf) == cap(s.buf) || s.filled && cap(s.buf) < bufferMax {
		s.buf = append(make([]byte, 0, max(BufferBytes, 2*cap(s.buf))), s.buf...)
	}
	n, err := s.conn.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	s.filled = len(s.buf) == cap(s.buf)
	if n > 0 {
		return nil
	}
	return err
}

// sift moves ready as far as it can.
func (s *Filter) sift() {
	for s.ready < len(s.buf) {
		switch rest := s.buf[s.ready:]; {
		case s.passing > 0:
			n := min(s.passing, len(rest))
			s.passing -= n
			s.ready += n
		case s.dropping > 0:
			n := min(s.dropping, len(rest))
			s.dropping -= n
			s.buf = s.buf[:s.ready+copy(rest, rest[n:])]
		case s.judge == nil:
			s.ready = len(s.buf)
		case len(rest) < FrameHeaderBytes || !s.pronounce(ParseFrame(rest), rest):
			return
		}
	}
}

// pronounce carries out the judge's verdict on f, or returns false if there is none yet.
func (s *Filter) pronounce(f Frame, rest []byte) bool {
	switch s.judge(f, rest) {
	case More:
		if len(rest) < MaxHeaderBlock {
			return false
		}
		s.judge = nil // too long for a header block: the server will say so
	case Pass:
		s.passing = f.Size()
	case PassAll:
		s.judge = nil
	case Drop:
		s.dropping = f.Size()
	case replace:
		s.buf = slices.Replace(s.buf, s.ready, s.ready+s.insteadOf, s.instead...)
		s.ready += len(s.instead)
	}
	return true
}
