package sniff

import (
	"net"
	"net/http"
	"time"

	"key-value/internal/server/h2"
	"key-value/internal/server/lane"
)

// protocol is what the first bytes of a connection show.
type protocol int

const (
	undecided protocol = iota
	http1              // or something unknown
	http2
	grpc // HTTP/2 whose first request is gRPC
)

// pingMax is how many PINGs are answered before the first request.
const pingMax = 100

const idleReason = "no request came"

// sniffer reads a connection until its protocol is known.
type sniffer struct {
	conn            net.Conn
	bounds          lane.Bounds
	grpc            bool // whether gRPC is told from other HTTP/2
	setReadDeadline func(net.Conn, time.Time)
	started         time.Time

	in       []byte    // what was read and the lane must read again
	looked   int       // how many of these bytes are the preface and whole frames that need no further look
	blockAt  time.Time // when the first header block began to arrive; zero: it has not
	settings bool      // whether SETTINGS were sent, because the client may wait for them
	acked    bool      // whether the client has acknowledged them
	pings    int
	request  *h2.RequestDecoder // nil before the first request
	stream   uint32             // of that request
	block    int                // size of its header block, in frames
}

// sniff returns the protocol of the connection. After an error the connection is of no use.
func (s *sniffer) sniff() (protocol, error) {
	s.in = make([]byte, 0, h2.BufferBytes)
	for {
		if found, err := s.look(); found != undecided || err != nil {
			return found, err
		}
		if len(s.in) >= h2.MaxHeaderBlock {
			return http2, nil
		}
		if err := s.fill(); err != nil {
			s.sayGoAway()
			return undecided, err
		}
	}
}

// result returns the connection for its lane.
func (s *sniffer) result(found protocol, answered func(), mixers *mixers) *Conn {
	c := &Conn{Conn: s.conn, answered: answered, mixers: mixers}
	if found == http1 {
		c.replay = s.in
		return c
	}
	c.HTTP2 = &HTTP2{Buffer: s.in, Judged: s.looked, AckPending: s.settings && !s.acked}
	if found == grpc {
		c.HTTP2.Judged += s.block
		c.HTTP2.Request, c.HTTP2.Stream = s.request, s.stream
	}
	return c
}

// fill reads more, within the time that is left.
func (s *sniffer) fill() error {
	if len(s.in) == cap(s.in) {
		s.in = append(make([]byte, 0, 2*cap(s.in)), s.in...)
	}
	s.setReadDeadline(s.conn, s.deadline())
	n, err := s.conn.Read(s.in[len(s.in):cap(s.in)])
	s.in = s.in[:len(s.in)+n]
	if n > 0 {
		return nil
	}
	return err
}

func (s *sniffer) deadline() time.Time {
	switch {
	case !s.blockAt.IsZero():
		return s.blockAt.Add(s.bounds.HeaderTimeout)
	case s.settings:
		return s.started.Add(s.bounds.IdleTimeout)
	}
	return s.started.Add(s.bounds.HeaderTimeout)
}

// sayGoAway tells an HTTP/2 client that a request that may be on its way was not processed.
func (s *sniffer) sayGoAway() {
	if s.settings && s.blockAt.IsZero() {
		_ = s.write(h2.GoAway(0, idleReason))
	}
}

func (s *sniffer) write(b []byte) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.bounds.WriteTimeout))
	_, err := s.conn.Write(b)
	return err
}

// look decides by what has arrived so far.
func (s *sniffer) look() (protocol, error) {
	if s.looked < len(h2.Preface) {
		n := min(len(s.in), len(h2.Preface))
		if string(s.in[:n]) != h2.Preface[:n] {
			return http1, nil
		}
		if n < len(h2.Preface) {
			return undecided, nil
		}
		s.looked = n
	}
	if !s.grpc {
		return http2, nil
	}
	for len(s.in)-s.looked >= h2.FrameHeaderBytes {
		f := h2.ParseFrame(s.in[s.looked:])
		if f.Length > h2.MaxPayload || s.looked == len(h2.Preface) && (f.Kind != h2.TypeSettings || f.Has(h2.FlagAck)) {
			return http2, nil
		}
		if f.Kind == h2.TypeHeaders {
			return s.lookAtRequest()
		}
		if len(s.in)-s.looked < f.Size() {
			break
		}
		if found, err := s.lookAtFrame(f); found != undecided || err != nil {
			return found, err
		}
	}
	return undecided, s.sendSettings()
}

// lookAtFrame moves past a frame that may precede the first request. It removes frames that the lane must not see:
// the acknowledgement of our SETTINGS, and PINGs, which it answers.
func (s *sniffer) lookAtFrame(f h2.Frame) (protocol, error) {
	switch f.Kind {
	case h2.TypeSettings:
		if f.Has(h2.FlagAck) {
			if !s.settings || s.acked || f.Length != 0 {
				return http2, nil
			}
			s.acked = true
			s.remove(f)
			return undecided, nil
		}
	case h2.TypePing:
		if f.Has(h2.FlagAck) || f.Length != 8 || s.pings == pingMax {
			return http2, nil
		}
		s.pings++
		answer := h2.AppendFrame(nil, h2.TypePing, h2.FlagAck, 0, s.in[s.looked+h2.FrameHeaderBytes:s.looked+f.Size()])
		s.remove(f)
		return undecided, s.write(answer)
	case h2.TypeData, h2.TypeRSTStream, h2.TypePushPromise, h2.TypeGoAway, h2.TypeContinuation:
		return http2, nil
	}
	s.looked += f.Size()
	return undecided, nil
}

// remove removes the next frame from what the lane reads.
func (s *sniffer) remove(f h2.Frame) {
	s.in = append(s.in[:s.looked], s.in[s.looked+f.Size():]...)
}

func (s *sniffer) lookAtRequest() (protocol, error) {
	fragments, size, complete := h2.HeaderBlock(s.in[s.looked:])
	if !complete {
		if s.blockAt.IsZero() {
			s.blockAt = time.Now()
		}
		return undecided, s.sendSettings()
	}
	s.request = h2.NewRequestDecoder(s.bounds.HeaderBytes)
	if fragments == nil || s.request.Decode(fragments) != nil || !s.request.IsGRPC() || s.request.Proxied ||
		s.request.Malformed || s.request.Unreadable || s.request.Method != http.MethodPost {
		return http2, nil
	}
	s.stream, s.block = h2.ParseFrame(s.in[s.looked:]).Stream, size
	return grpc, nil
}

// sendSettings sends SETTINGS on behalf of the lane, because a client may send nothing before it has them. The lane
// sends its own later, so these hold only what is the same in all lanes.
func (s *sniffer) sendSettings() error {
	if s.settings {
		return nil
	}
	s.settings = true
	var payload []byte
	payload = h2.AppendSetting(payload, h2.SettingMaxStreams, uint32(s.bounds.Streams))
	payload = h2.AppendSetting(payload, h2.SettingMaxHeaderBytes, uint32(s.bounds.HeaderBytes))
	return s.write(h2.AppendFrame(nil, h2.TypeSettings, 0, 0, payload))
}
