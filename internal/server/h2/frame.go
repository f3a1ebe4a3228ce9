package h2

import "encoding/binary"

// preface is what an HTTP/2 client sends first (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The frame types of RFC 9113, section 6, that matter here.
const (
	TypeHeaders      = 0x1
	TypePriority     = 0x2
	TypeRSTStream    = 0x3
	TypeSettings     = 0x4
	TypePushPromise  = 0x5
	TypePing         = 0x6
	TypeGoAway       = 0x7
	TypeWindowUpdate = 0x8
	TypeContinuation = 0x9
	TypeData         = 0x0
)

const (
	FlagAck        = 0x1 // of SETTINGS and PING
	FlagEndStream  = 0x1 // of HEADERS
	FlagEndHeaders = 0x4
	FlagPadded     = 0x8
	FlagPriority   = 0x20
)

const (
	FrameHeaderBytes = 9
	// frameBytes is the longest payload that a client may send to either server.
	MaxPayload = 16 << 10

	SettingMaxStreams     = 0x3
	SettingMaxHeaderBytes = 0x6
)

// frame is the header of a frame.
type Frame struct {
	Length int // of the payload
	Kind   byte
	Flags  byte
	Stream uint32
}

// parseFrame reads a header from the frameHeaderBytes at the start of b.
func ParseFrame(b []byte) Frame {
	return Frame{
		Length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		Kind:   b[3],
		Flags:  b[4],
		Stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

func (f Frame) Size() int { return FrameHeaderBytes + f.Length }

func (f Frame) Has(flag byte) bool { return f.Flags&flag != 0 }

// appendFrame appends a frame to b.
func AppendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

func AppendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

// allStreams is above all streams: GOAWAY with it asks the client to open no further ones.
const AllStreams = 1<<31 - 1

// goAway returns a frame that says that no stream above last was or will be looked at.
func GoAway(last uint32, why string) []byte {
	payload := binary.BigEndian.AppendUint32(nil, last)
	payload = binary.BigEndian.AppendUint32(payload, 0) // NO_ERROR
	return AppendFrame(nil, TypeGoAway, 0, 0, append(payload, why...))
}

// refusal returns a frame that says that a request was not looked at and may be sent again.
func Refusal(stream uint32) []byte {
	return AppendFrame(nil, TypeRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, 7)) // REFUSED_STREAM
}

// appendHeaders appends a header block as a HEADERS frame and what CONTINUATION frames it needs.
func AppendHeaders(b []byte, flags byte, stream uint32, block []byte) []byte {
	kind := byte(TypeHeaders)
	for len(block) > MaxPayload {
		b = AppendFrame(b, kind, flags, stream, block[:MaxPayload])
		kind, flags, block = TypeContinuation, 0, block[MaxPayload:]
	}
	return AppendFrame(b, kind, flags|FlagEndHeaders, stream, block)
}

// headerBlock returns the fragments of the header block that starts with the HEADERS frame at the start of
// b, without what else is in their frames, and how long those frames are. It returns false if the block is
// not complete, and no fragments if it is malformed.
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

// unpadded returns what of a HEADERS frame's payload is header block.
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
