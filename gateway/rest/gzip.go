package rest

import (
	"bytes"
	"compress/gzip"
	"strings"
)

// Compress returns body compressed with gzip.
func Compress(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(body)                                  // to memory
	_ = w.Close()
	return b.Bytes()
}

// AcceptsGzip reports whether a field Accept-Encoding names gzip without refusing it.
func AcceptsGzip(fields []string) bool {
	for element := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		name, weight, _ := strings.Cut(element, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(weight, " \tqQ=0.") != "" || strings.TrimSpace(weight) == ""
		}
	}
	return false
}
