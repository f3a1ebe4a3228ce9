package rest_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"key-value/gateway/rest"
)

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", `say "hi"`, `back\slash`, "line\nfeed", "é", "\u2028", "\x7f", "\x80", "\xe2\x82", "<&>", "\x00"} {
		for _, before := range []int{0, 1, 7, 8, 9, 16} { // within a word of eight bytes, and after one
			f.Add(strings.Repeat("x", before) + s)
			f.Add(strings.Repeat("x", before) + s + "12345678")
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := jsontext.AppendQuote([]byte("a"), s)
		if got := rest.AppendString([]byte("a"), s); string(got) != string(want) {
			t.Errorf("%q as a string of JSON = %s, want %s", s, got, want)
		}
	})
}

func TestEveryCharacterIsEncodedAsJSON(t *testing.T) {
	for r := range rune(0x3000) {
		for before := range 9 {
			s := strings.Repeat("x", before) + string(r) + "12345678"
			want, _ := jsontext.AppendQuote(nil, s)
			if got := rest.AppendString(nil, s); string(got) != string(want) {
				t.Fatalf("%q as a string of JSON = %s, want %s", s, got, want)
			}
		}
	}
}

func BenchmarkString(b *testing.B) {
	for _, size := range []int{16, 1024} {
		s := strings.Repeat("x", size)
		out := make([]byte, 0, 2*size)
		for _, how := range []struct {
			name   string
			append func([]byte, string) []byte
		}{
			{"appendString", rest.AppendString},
			{"AppendQuote", func(b []byte, s string) []byte { b, _ = jsontext.AppendQuote(b, s); return b }},
		} {
			b.Run(how.name+"/"+strconv.Itoa(size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					how.append(out, s)
				}
			})
		}
	}
}
