package fanout

import (
	"slices"
	"testing"

	"key-value/test/bench/load"
)

func TestMessagesAreWholeHoweverTheyCome(t *testing.T) {
	want := []string{"a", "", "a longer message", "b"}
	var stream []byte
	for _, message := range want {
		stream = append(stream, load.Frame([]byte(message))...)
	}
	for size := 1; size <= len(stream); size++ {
		var f frames
		var got []string
		for piece := range slices.Chunk(stream, size) {
			f.add(piece, func(message []byte) { got = append(got, string(message)) })
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d bytes: got %q, want %q", size, got, want)
		}
	}
}
