package fanout

import "encoding/binary"

// frames cuts a stream of gRPC messages into messages, as they come in pieces.
type frames struct{ rest []byte }

// add calls each with every message that piece completes.
func (f *frames) add(piece []byte, each func(message []byte)) {
	data := piece
	if len(f.rest) != 0 {
		f.rest = append(f.rest, piece...)
		data = f.rest
	}
	for len(data) >= 5 {
		end := 5 + int(binary.BigEndian.Uint32(data[1:5]))
		if len(data) < end {
			break
		}
		each(data[5:end])
		data = data[end:]
	}
	f.rest = append(f.rest[:0], data...)
}
