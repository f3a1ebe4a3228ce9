// Package h2 parses and writes HTTP/2 frames (RFC 9113), as far as is needed to look at a connection, to hold back
// single frames, and to add frames of our own, while another HTTP/2 implementation serves it.
package h2

import "encoding/binary"

// Preface is what an HTTP/2 client sends first (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame types (RFC 9113, section 6).
const (
	TypeData         = 0x0
	TypeHeaders      = 0x1
	TypePriority     = 0x2
	TypeRSTStream    = 0x3
	TypeSettings     = 0x4
	TypePushPromise  = 0x5
	TypePing         = 0x6
	TypeGoAway       = 0x7
	TypeWindowUpdate = 0x8
	TypeContinuation = 0x9
)

// Error codes (RFC 9113, section 7).
const (
	CodeNoError      = 0x0
	CodeStreamClosed = 0x5
)

// Frame flags.
const (
	FlagAck        = 0x1 // SETTINGS and PING
	FlagEndStream  = 0x1 // HEADERS
	FlagEndHeaders = 0x4
	FlagPadded     = 0x8
	FlagPriority   = 0x20
)

const (
	// FrameHeaderBytes is the length of a frame header.
	FrameHeaderBytes = 9
	// MaxPayload is the longest payload that a client may send to any lane: they keep SETTINGS_MAX_FRAME_SIZE at its
	// initial value.
	MaxPayload = 16 << 10
	// MaxHeaderBlock bounds the encoded size of a header block. It leaves room for a header list of the largest size
	// that lanes accept.
	MaxHeaderBlock = 48 << 10

	SettingMaxStreams     = 0x3 // SETTINGS_MAX_CONCURRENT_STREAMS
	SettingMaxHeaderBytes = 0x6 // SETTINGS_MAX_HEADER_LIST_SIZE
)

// Frame is a frame header.
type Frame struct {
	Length int // of the payload, in bytes
	Kind   byte
	Flags  byte
	Stream uint32
}

// ParseFrame parses the frame header at the start of b, which must hold at least FrameHeaderBytes.
func ParseFrame(b []byte) Frame {
	return Frame{
		Length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		Kind:   b[3],
		Flags:  b[4],
		Stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

// Size returns the length of the frame, header included.
func (f Frame) Size() int { return FrameHeaderBytes + f.Length }

// Has reports whether flag is set.
func (f Frame) Has(flag byte) bool { return f.Flags&flag != 0 }

// AppendFrame appends a frame to b.
func AppendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// AppendSetting appends one parameter of a SETTINGS payload to b.
func AppendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

// AllStreams is the last stream of a GOAWAY frame that cuts off no stream and asks the client to open no more.
const AllStreams = 1<<31 - 1

// GoAway returns a GOAWAY frame without an error: no stream above last was or will be processed.
func GoAway(last uint32, debug string) []byte {
	payload := binary.BigEndian.AppendUint32(nil, last)
	payload = binary.BigEndian.AppendUint32(payload, 0) // NO_ERROR
	return AppendFrame(nil, TypeGoAway, 0, 0, append(payload, debug...))
}

// Refusal returns an RST_STREAM frame with REFUSED_STREAM: the request was not processed and is safe to retry.
func Refusal(stream uint32) []byte {
	return reset(stream, 0x7) // REFUSED_STREAM
}

// Malformation returns an RST_STREAM frame with PROTOCOL_ERROR: the request is malformed.
func Malformation(stream uint32) []byte { return reset(stream, 0x1) } // PROTOCOL_ERROR

// EnoughRead returns an RST_STREAM frame with NO_ERROR: the response is complete, and no more of the request is read
// (RFC 9113, section 8.1).
func EnoughRead(stream uint32) []byte { return reset(stream, CodeNoError) }

// WindowUpdate returns a WINDOW_UPDATE frame that lets the client send so many more bytes on a stream.
func WindowUpdate(stream, bytes uint32) []byte {
	return AppendFrame(nil, TypeWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, bytes))
}

func reset(stream, code uint32) []byte {
	return AppendFrame(nil, TypeRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// AppendHeaders appends a header block to b as a HEADERS frame, followed by CONTINUATION frames if it is long.
func AppendHeaders(b []byte, flags byte, stream uint32, block []byte) []byte {
	kind := byte(TypeHeaders)
	for len(block) > MaxPayload {
		b = AppendFrame(b, kind, flags, stream, block[:MaxPayload])
		kind, flags, block = TypeContinuation, 0, block[MaxPayload:]
	}
	return AppendFrame(b, kind, flags|FlagEndHeaders, stream, block)
}

// HeaderBlock returns the fragments of the header block whose HEADERS frame begins at the start of b, without padding
// and priority, and the total size of its frames. Complete is false if b ends before the block does. A malformed block
// is complete and has no fragments.
func HeaderBlock(b []byte) (fragments [][]byte, size int, complete bool) {
	first := true
	for {
		if len(b)-size < FrameHeaderBytes {
			return nil, 0, false
		}
		f := ParseFrame(b[size:])
		if f.Length > MaxPayload || !first && f.Kind != TypeContinuation {
			return nil, size, true
		}
		if len(b)-size < f.Size() {
			return nil, 0, false
		}
		payload := b[size+FrameHeaderBytes : size+f.Size()]
		if first {
			var ok bool
			if payload, ok = unpadded(f, payload); !ok {
				return nil, size, true
			}
		}
		fragments = append(fragments, payload)
		size += f.Size()
		if f.Has(FlagEndHeaders) {
			return fragments, size, true
		}
		first = false
	}
}

// unpadded returns the header block fragment in the payload of the HEADERS frame f, or false if f is malformed.
func unpadded(f Frame, payload []byte) ([]byte, bool) {
	padding := 0
	if f.Has(FlagPadded) {
		if len(payload) == 0 {
			return nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if f.Has(FlagPriority) {
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
