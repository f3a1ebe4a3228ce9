package split

import (
	"errors"
	"net"
	"time"
)

// kind is who serves a connection.
type kind int

const (
	undecided    kind = iota
	http1Request      // net/http
	http2Request      // net/http, by HTTP/2
	grpcRequest       // grpc-go
)

const (
	// peekMax is how much is read of a connection before it goes to net/http undecided. It has room for a
	// header block of the longest header list.
	peekMax = 48 << 10
	// pingMax is how many PINGs are answered before the first request.
	pingMax = 100
)

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
	request  *request // nil before the first
	stream   uint32   // of the request
}

// peek returns who serves the connection. An error means that nobody does.
func (p *peeker) peek() (kind, error) {
	p.in = make([]byte, 0, bufferBytes)
	for {
		if kind, err := p.look(); kind != undecided || err != nil {
			return kind, err
		}
		if len(p.in) >= peekMax {
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
		return p.blockAt.Add(p.cfg.HeaderTimeout)
	case p.settings:
		return p.started.Add(p.cfg.IdleTimeout)
	}
	return p.started.Add(p.cfg.HeaderTimeout)
}

// sayGoodbye tells a client that its request, should it be on its way, was not looked at.
func (p *peeker) sayGoodbye() {
	if p.settings && p.blockAt.IsZero() {
		_ = p.write(goAway(0, errIdle.Error()))
	}
}

func (p *peeker) write(b []byte) error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.cfg.WriteTimeout))
	_, err := p.conn.Write(b)
	return err
}

// look decides by what has come so far.
func (p *peeker) look() (kind, error) {
	if p.looked < len(preface) {
		n := min(len(p.in), len(preface))
		if string(p.in[:n]) != preface[:n] {
			return http1Request, nil
		}
		if n < len(preface) {
			return undecided, nil
		}
		p.looked = n
	}
	if p.cfg.Procedures == nil {
		return http2Request, nil
	}
	for len(p.in)-p.looked >= frameHeaderBytes {
		f := parseFrame(p.in[p.looked:])
		if f.length > frameBytes || p.looked == len(preface) && (f.kind != typeSettings || f.has(flagAck)) {
			return http2Request, nil
		}
		if f.kind == typeHeaders {
			return p.lookAtRequest()
		}
		if len(p.in)-p.looked < f.size() {
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
func (p *peeker) lookAtFrame(f frame) (kind, error) {
	switch f.kind {
	case typeSettings:
		if f.has(flagAck) {
			if !p.settings || p.acked || f.length != 0 {
				return http2Request, nil
			}
			p.acked = true
			p.cut(f)
			return undecided, nil
		}
	case typePing:
		if f.has(flagAck) || f.length != 8 || p.pings == pingMax {
			return http2Request, nil
		}
		p.pings++
		answer := appendFrame(nil, typePing, flagAck, 0, p.in[p.looked+frameHeaderBytes:p.looked+f.size()])
		p.cut(f)
		return undecided, p.write(answer)
	case typeData, typeRSTStream, typePushPromise, typeGoAway, typeContinuation:
		return http2Request, nil
	}
	p.looked += f.size()
	return undecided, nil
}

// cut removes the frame that is being looked at.
func (p *peeker) cut(f frame) {
	p.in = append(p.in[:p.looked], p.in[p.looked+f.size():]...)
}

func (p *peeker) lookAtRequest() (kind, error) {
	fragments, size, complete := headerBlock(p.in[p.looked:])
	if !complete {
		if p.blockAt.IsZero() {
			p.blockAt = time.Now()
		}
		return undecided, p.sendSettings()
	}
	p.request = newRequest(p.cfg.MaxHeaderBytes)
	if fragments == nil || p.request.read(fragments) != nil || !p.request.isGRPC() || p.request.proxied {
		return http2Request, nil
	}
	p.stream = parseFrame(p.in[p.looked:]).stream
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
	payload = appendSetting(payload, settingMaxStreams, p.cfg.MaxStreams)
	payload = appendSetting(payload, settingMaxHeaderBytes, p.cfg.MaxHeaderBytes)
	return p.write(appendFrame(nil, typeSettings, 0, 0, payload))
}
