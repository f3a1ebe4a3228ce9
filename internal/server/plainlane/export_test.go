package plainlane

import (
	"bytes"

	"key-value/internal/server/sniff"
)

// Bugs are ways to read requests wrongly, of which the tests must notice each.
var Bugs = map[string]func(*Lane){
	"accepts a bare LF": func(l *Lane) {
		read := l.read
		l.read = func(h *head, data []byte) (int, verdict) {
			whole := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
			size, v := read(h, whole)
			return size - bytes.Count(whole[:size], []byte("\r\n")) + bytes.Count(data[:min(size, len(data))], []byte("\r\n")), v
		}
	},
	"takes the second of two lengths": func(l *Lane) {
		l.read = skipping(l.read, "Content-Length: 5\r\n")
	},
	"does not hand over chunks": func(l *Lane) {
		l.read = skipping(l.read, "Transfer-Encoding: chunked\r\n")
	},
	"loses a byte that it hands over": func(l *Lane) {
		read := l.read
		l.read = func(h *head, data []byte) (int, verdict) {
			size, v := read(h, data)
			if v == other && len(data) > 0 {
				copy(data, data[1:])
			}
			return size, v
		}
	},
	"reads past the head": func(l *Lane) {
		read := l.read
		l.read = func(h *head, data []byte) (int, verdict) {
			size, v := read(h, data)
			if v == plain && size < len(data) {
				size++
			}
			return size, v
		}
	},
	"keeps what it has read in the buffer": func(l *Lane) {
		read := l.read
		l.read = func(h *head, data []byte) (int, verdict) {
			size, v := read(h, data)
			if v == plain {
				clear(data[:size])
				h.target += string(data[:1])
			}
			return size, v
		}
	},
}

// skipping returns a reader that does not see a line.
func skipping(read func(*head, []byte) (int, verdict), line string) func(*head, []byte) (int, verdict) {
	return func(h *head, data []byte) (int, verdict) {
		at := bytes.Index(data, []byte(line))
		if at < 0 {
			return read(h, data)
		}
		size, v := read(h, append(bytes.Clone(data[:at]), data[at+len(line):]...))
		if v == plain {
			size += len(line)
		}
		return size, v
	}
}

// ServeConn serves a connection, and returns when it has ended or was handed over.
func (l *Lane) ServeConn(conn *sniff.Conn) {
	c := newConn(l, conn)
	l.add(c)
	c.serve()
}
