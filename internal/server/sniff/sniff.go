package sniff

import (
	"errors"
	"net"
	"time"

	"key-value/internal/server/h2"
)

// kind is who serves a connection.
type kind int

const (
	undecided    kind = iota
	http1Request      // net/http
	http2Request      // net/http, by HTTP/2
	grpcRequest       // grpc-go
)

// pingMax is how many PINGs are answered before the first request.
const pingMax = 100

var errIdle = errors.New("no request came")

// peeker reads a connection up to the point where it is clear who serves it.
type peeker struct {
	conn        net.Conn
	cfg         Config
	setDeadline func(net.Conn, time.Time) // for reading
	started     time.Time

	in       []byte    // what was read and the server must read again
	looked   int       // how much of it is whole frames that were looked at
	blockAt  time.Time // when the first request began to come; zero: it has not
	settings bool      // whether the server's SETTINGS were sent, since the client may wait for them
	acked    bool      // whether they were acknowledged
	pings    int
	request  *h2.RequestDecoder // nil before the first
	stream   uint32             // of the request
}

// peek returns who serves the connection. An error means that nobody does.
func (p *peeker) peek() (kind, error) {
	p.in = make([]byte, 0, h2.BufferBytes)
	for {
		if kind, err := p.look(); kind != undecided || err != nil {
			return kind, err
		}
		if len(p.in) >= h2.MaxHeaderBlock {
			return http2Request, nil
		}
		if err := p.fill(); err != nil {
			p.sayGoodbye()
			return undecided, err
		}
	}
}

// fill reads what there is, within the time that is left.
func (p *peeker) fill() error {
	if len(p.in) == cap(p.in) {
		p.in = append(make([]byte, 0, 2*cap(p.in)), p.in...)
	}
	p.setDeadline(p.conn, p.deadline())
	n, err := p.conn.Read(p.in[len(p.in):cap(p.in)])
	p.in = p.in[:len(p.in)+n]
	if n > 0 {
		return nil
	}
	return err
}

func (p *peeker) deadline() time.Time {
	switch {
	case !p.blockAt.IsZero():
		return p.blockAt.Add(p.cfg.Bounds.HeaderTimeout)
	case p.settings:
		return p.started.Add(p.cfg.Bounds.IdleTimeout)
	}
	return p.started.Add(p.cfg.Bounds.HeaderTimeout)
}

// sayGoodbye tells a client that its request, should it be on its way, was not looked at.
func (p *peeker) sayGoodbye() {
	if p.settings && p.blockAt.IsZero() {
		_ = p.write(h2.GoAway(0, errIdle.Error()))
	}
}

func (p *peeker) write(b []byte) error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.cfg.Bounds.WriteTimeout))
	_, err := p.conn.Write(b)
	return err
}

// look decides by what has come so far.
func (p *peeker) look() (kind, error) {
	if p.looked < len(h2.Preface) {
		n := min(len(p.in), len(h2.Preface))
		if string(p.in[:n]) != h2.Preface[:n] {
			return http1Request, nil
		}
		if n < len(h2.Preface) {
			return undecided, nil
		}
		p.looked = n
	}
	if !p.cfg.GRPC {
		return http2Request, nil
	}
	for len(p.in)-p.looked >= h2.FrameHeaderBytes {
		f := h2.ParseFrame(p.in[p.looked:])
		if f.Length > h2.MaxPayload || p.looked == len(h2.Preface) && (f.Kind != h2.TypeSettings || f.Has(h2.FlagAck)) {
			return http2Request, nil
		}
		if f.Kind == h2.TypeHeaders {
			return p.lookAtRequest()
		}
		if len(p.in)-p.looked < f.Size() {
			break
		}
		if kind, err := p.lookAtFrame(f); kind != undecided || err != nil {
			return kind, err
		}
	}
	return undecided, p.sendSettings()
}

// lookAtFrame steps over a frame that may come before the first request. Those that were an answer to us, or
// that we answer, are taken out.
func (p *peeker) lookAtFrame(f h2.Frame) (kind, error) {
	switch f.Kind {
	case h2.TypeSettings:
		if f.Has(h2.FlagAck) {
			if !p.settings || p.acked || f.Length != 0 {
				return http2Request, nil
			}
			p.acked = true
			p.cut(f)
			return undecided, nil
		}
	case h2.TypePing:
		if f.Has(h2.FlagAck) || f.Length != 8 || p.pings == pingMax {
			return http2Request, nil
		}
		p.pings++
		answer := h2.AppendFrame(nil, h2.TypePing, h2.FlagAck, 0, p.in[p.looked+h2.FrameHeaderBytes:p.looked+f.Size()])
		p.cut(f)
		return undecided, p.write(answer)
	case h2.TypeData, h2.TypeRSTStream, h2.TypePushPromise, h2.TypeGoAway, h2.TypeContinuation:
		return http2Request, nil
	}
	p.looked += f.Size()
	return undecided, nil
}

// cut removes the frame that is being looked at.
func (p *peeker) cut(f h2.Frame) {
	p.in = append(p.in[:p.looked], p.in[p.looked+f.Size():]...)
}

func (p *peeker) lookAtRequest() (kind, error) {
	fragments, size, complete := h2.HeaderBlock(p.in[p.looked:])
	if !complete {
		if p.blockAt.IsZero() {
			p.blockAt = time.Now()
		}
		return undecided, p.sendSettings()
	}
	p.request = h2.NewRequestDecoder(uint32(p.cfg.Bounds.HeaderBytes))
	if fragments == nil || p.request.Read(fragments) != nil || !p.request.IsGRPC() || p.request.Proxied {
		return http2Request, nil
	}
	p.stream = h2.ParseFrame(p.in[p.looked:]).Stream
	p.looked += size
	return grpcRequest, nil
}

// sendSettings sends the server's SETTINGS, for which the client may wait. The server sends its own ones
// later, so these say only what both servers say.
func (p *peeker) sendSettings() error {
	if p.settings {
		return nil
	}
	p.settings = true
	var payload []byte
	payload = h2.AppendSetting(payload, h2.SettingMaxStreams, uint32(p.cfg.Bounds.Streams))
	payload = h2.AppendSetting(payload, h2.SettingMaxHeaderBytes, uint32(p.cfg.Bounds.HeaderBytes))
	return p.write(h2.AppendFrame(nil, h2.TypeSettings, 0, 0, payload))
}

// decided returns the connection for the server that gets it.
func (p *peeker) decided(k kind, answered func()) *Conn {
	c := &Conn{Conn: p.conn, answered: answered}
	if k == http1Request {
		c.replay = p.in
		return c
	}
	c.HTTP2 = &HTTP2{Read: p.in, Looked: p.looked, AckPending: p.settings && !p.acked, Request: p.request, Stream: p.stream}
	return c
}
