package messagejson

import (
	"encoding/base64"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// quotedLen returns the length of s as a JSON string, without quotes.
func quotedLen(s string) int {
	n := len(s)
	if IsPlain(s) {
		return n
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// Length returns the length of content in JSON: text, or else data.
func Length(text string, data []byte) int {
	return quotedLen(text) + base64.StdEncoding.EncodedLen(len(data))
}

// Growth returns by how many bytes the content of the entries in a response is longer in JSON than in the message.
func Growth(message any) int {
	n := 0
	for _, e := range entriesOf(message) {
		n += Length(e.GetValue(), e.GetData()) - len(e.GetValue()) - len(e.GetData())
	}
	return n
}

func entriesOf(message any) []*keyvaluev1.Entry {
	switch m := message.(type) {
	case interface{ GetEntry() *keyvaluev1.Entry }:
		return []*keyvaluev1.Entry{m.GetEntry()}
	case *keyvaluev1.ListResponse:
		return m.GetEntries()
	case *keyvaluev1.BatchResponse:
		all := make([]*keyvaluev1.Entry, len(m.GetResults()))
		for i, r := range m.GetResults() {
			all[i] = r.GetGet().GetEntry()
		}
		return all
	case *keyvaluev1.WatchResponse:
		return []*keyvaluev1.Entry{m.GetEvent().GetEntry()}
	}
	return nil
}
