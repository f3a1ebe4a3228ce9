package h2

// boundary knows where in a stream of frames a frame ends.
type Boundary struct {
	rest   int    // how much of the current frame's payload is still to come
	header []byte // what there is of the next frame's header
	// Answered is called at the first HEADERS frame. Nil: it was, or nobody wants to know.
	Answered func()
}

func (b *Boundary) here() bool { return b.rest == 0 && len(b.header) == 0 }

// step goes on by p.
func (b *Boundary) Step(p []byte) {
	for len(p) != 0 {
		p = p[b.stride(p):]
	}
}

// next returns how much of p there is up to the first end of a frame, or all of it.
func (b *Boundary) next(p []byte) int {
	probe := Boundary{rest: b.rest, header: append([]byte(nil), b.header...)}
	n := 0
	for n < len(p) {
		n += probe.stride(p[n:])
		if probe.here() {
			break
		}
	}
	return n
}

// stride goes on within p by a part of a frame, and returns how far.
func (b *Boundary) stride(p []byte) int {
	if b.rest > 0 {
		n := min(b.rest, len(p))
		b.rest -= n
		return n
	}
	if len(b.header) == 0 && len(p) >= FrameHeaderBytes {
		b.begin(ParseFrame(p))
		return FrameHeaderBytes
	}
	n := min(FrameHeaderBytes-len(b.header), len(p))
	b.header = append(b.header, p[:n]...)
	if len(b.header) == FrameHeaderBytes {
		b.begin(ParseFrame(b.header))
		b.header = b.header[:0]
	}
	return n
}

func (b *Boundary) begin(f Frame) {
	b.rest = f.Length
	if f.Kind == TypeHeaders && b.Answered != nil {
		b.Answered()
		b.Answered = nil
	}
}
