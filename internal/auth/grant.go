package auth

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Ops are kinds of operations.
type Ops uint8

// The kinds. Get, List and Watch read; Set, Delete and Touch write; Increment, which answers with the value, does both.
const (
	Read Ops = 1 << iota
	Write
)

// ParseOps returns the kinds that words name, each "read" or "write".
func ParseOps(words []string) (Ops, error) {
	var ops Ops
	for _, word := range words {
		switch word {
		case "read":
			ops |= Read
		case "write":
			ops |= Write
		default:
			return 0, fmt.Errorf("%q is no kind of operation: use read or write", word)
		}
	}
	return ops, nil
}

// Words returns what ParseOps reads.
func (o Ops) Words() []string {
	words := []string{}
	if o&Read != 0 {
		words = append(words, "read")
	}
	if o&Write != 0 {
		words = append(words, "write")
	}
	return words
}

// String says what o is in a sentence.
func (o Ops) String() string { return strings.Join(o.Words(), " and ") }

// MarshalJSONTo implements [json.MarshalerTo].
func (o Ops) MarshalJSONTo(enc *jsontext.Encoder) error { return json.MarshalEncode(enc, o.Words()) }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (o *Ops) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var words []string
	if err := json.UnmarshalDecode(dec, &words); err != nil {
		return err
	}
	var err error
	*o, err = ParseOps(words)
	return err
}

// Grant allows operations on the keys that begin with a prefix. Without operations it forbids all of them there.
type Grant struct {
	Prefix string `json:"prefix"` // compared byte by byte; empty: every key
	Ops    Ops    `json:"ops"`
}

// Grants are what an API key may do: of those whose prefix a key has, the longest counts. What no grant allows is
// forbidden.
type Grants []Grant

// everything is all rights.
var everything = Grants{{Prefix: "", Ops: Read | Write}}

// allowsKey reports whether all of ops are allowed on one key.
func (g Grants) allowsKey(ops Ops, key string) bool {
	longest := -1
	var allowed Ops
	for _, grant := range g {
		if len(grant.Prefix) > longest && strings.HasPrefix(key, grant.Prefix) {
			longest, allowed = len(grant.Prefix), grant.Ops
		}
	}
	return allowed&ops == ops
}

// allowsRange reports whether ops are allowed on every key that could begin with prefix. A longer grant that allows less
// makes a hole in the range, and then they are not.
func (g Grants) allowsRange(ops Ops, prefix string) bool {
	for _, grant := range g {
		if strings.HasPrefix(grant.Prefix, prefix) && grant.Ops&ops != ops {
			return false
		}
	}
	return g.allowsKey(ops, prefix)
}
