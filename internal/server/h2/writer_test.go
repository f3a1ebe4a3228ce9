package h2_test

import (
	"bytes"
	"slices"
	"testing"

	"key-value/internal/server/h2"
)

func TestTrackerEditsFramesInAnyPieces(t *testing.T) {
	t.Parallel()
	headers := h2.AppendHeaders(nil, h2.FlagEndStream, 1, []byte("block"))
	data := h2.AppendFrame(nil, h2.TypeData, 0, 3, []byte("data"))
	empty := h2.AppendFrame(nil, h2.TypeSettings, h2.FlagAck, 0, nil)
	replaced, dropped, kept := h2.EnoughRead(1), h2.EnoughRead(3), h2.Refusal(5)
	all := slices.Concat(headers, replaced, data, empty, dropped, kept, replaced, data)
	want := slices.Concat(headers, []byte("instead"), data, empty, kept, []byte("instead"), data)
	for size := 1; size <= len(all); size++ {
		var seen []byte
		tracker := h2.Tracker{
			OnFrame: func(f h2.Frame) { seen = append(seen, f.Kind) },
			OnReset: func(stream, code uint32) ([]byte, bool) {
				return map[uint32][]byte{1: []byte("instead")}[stream], code == h2.CodeNoError
			},
		}
		var got []byte
		for piece := range slices.Chunk(all, size) {
			got = append(got, tracker.Advance(piece)...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d bytes: %q, want %q", size, got, want)
		}
		if want := []byte{h2.TypeHeaders, h2.TypeData, h2.TypeSettings, h2.TypeRSTStream, h2.TypeData}; !bytes.Equal(seen, want) {
			t.Errorf("in pieces of %d bytes: frames of types %v, want %v", size, seen, want)
		}
	}
}

func TestTrackerInsertsBetweenFrames(t *testing.T) {
	t.Parallel()
	one := h2.AppendFrame(nil, h2.TypeData, 0, 1, []byte("one"))
	two := h2.AppendFrame(nil, h2.TypeData, 0, 1, []byte("two"))
	ping := h2.AppendFrame(nil, h2.TypePing, 0, 0, make([]byte, 8))
	all := slices.Concat(one, two)
	for cut := range len(all) + 1 {
		var tracker h2.Tracker
		var got []byte
		got = append(got, tracker.Advance(all[:cut])...)
		got = append(got, tracker.Insert(ping)...)
		got = append(got, tracker.Advance(all[cut:])...)
		want := slices.Concat(one, ping, two)
		switch {
		case cut < h2.FrameHeaderBytes:
			want = slices.Concat(ping, one, two)
		case cut >= len(one)+h2.FrameHeaderBytes:
			want = slices.Concat(one, two, ping)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("after %d bytes: %q, want %q", cut, got, want)
		}
	}
}
