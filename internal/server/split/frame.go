package split

import "encoding/binary"

// preface is what an HTTP/2 client sends first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The frame types of RFC 9113, section 6, that matter here.
const (
	typeHeaders      = 0x1
	typePriority     = 0x2
	typeRSTStream    = 0x3
	typeSettings     = 0x4
	typePushPromise  = 0x5
	typePing         = 0x6
	typeGoAway       = 0x7
	typeWindowUpdate = 0x8
	typeContinuation = 0x9
	typeData         = 0x0
)

const (
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndStream  = 0x1 // of HEADERS
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	frameHeaderBytes = 9
	// frameBytes is the longest payload that a client may send to either server.
	frameBytes = 16 << 10

	settingMaxStreams     = 0x3
	settingMaxHeaderBytes = 0x6
)

// frame is the header of a frame.
type frame struct {
	length int // of the payload
	kind   byte
	flags  byte
	stream uint32
}

// parseFrame reads a header from the frameHeaderBytes at the start of b.
func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

func (f frame) size() int { return frameHeaderBytes + f.length }

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// appendFrame appends a frame to b.
func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

// allStreams is above all streams: GOAWAY with it asks the client to open no further ones.
const allStreams = 1<<31 - 1

// goAway returns a frame that says that no stream above last was or will be looked at.
func goAway(last uint32, why string) []byte {
	payload := binary.BigEndian.AppendUint32(nil, last)
	payload = binary.BigEndian.AppendUint32(payload, 0) // NO_ERROR
	return appendFrame(nil, typeGoAway, 0, 0, append(payload, why...))
}

// refusal returns a frame that says that a request was not looked at and may be sent again.
func refusal(stream uint32) []byte {
	return appendFrame(nil, typeRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, 7)) // REFUSED_STREAM
}

// appendHeaders appends a header block as a HEADERS frame and what CONTINUATION frames it needs.
func appendHeaders(b []byte, flags byte, stream uint32, block []byte) []byte {
	kind := byte(typeHeaders)
	for len(block) > frameBytes {
		b = appendFrame(b, kind, flags, stream, block[:frameBytes])
		kind, flags, block = typeContinuation, 0, block[frameBytes:]
	}
	return appendFrame(b, kind, flags|flagEndHeaders, stream, block)
}

// headerBlock returns the fragments of the header block that starts with the HEADERS frame at the start of
// b, without what else is in their frames, and how long those frames are. It returns false if the block is
// not complete, and no fragments if it is malformed.
func headerBlock(b []byte) (fragments [][]byte, size int, complete bool) {
	first := true
	for {
		if len(b)-size < frameHeaderBytes {
			return nil, 0, false
		}
		f := parseFrame(b[size:])
		if f.length > frameBytes || !first && f.kind != typeContinuation {
			return nil, size, true
		}
		if len(b)-size < f.size() {
			return nil, 0, false
		}
		payload := b[size+frameHeaderBytes : size+f.size()]
		if first {
			var ok bool
			if payload, ok = unpadded(f, payload); !ok {
				return nil, size, true
			}
		}
		fragments = append(fragments, payload)
		size += f.size()
		if f.has(flagEndHeaders) {
			return fragments, size, true
		}
		first = false
	}
}

// unpadded returns what of a HEADERS frame's payload is header block.
func unpadded(f frame, payload []byte) ([]byte, bool) {
	padding := 0
	if f.has(flagPadded) {
		if len(payload) == 0 {
			return nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if f.has(flagPriority) {
		if len(payload) < 5 {
			return nil, false
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return nil, false
	}
	return payload[:len(payload)-padding], true
}
