package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// Principal is who a key belongs to. It is never changed: when the keys file changes, there is another.
type Principal struct {
	ID string // names the key in logs; never the key itself

	grants Grants
	all    bool    // whether grants are all rights
	rate   *bucket // nil: no limit
	keys   *Keys   // which know whether it is still valid; nil: it always is
	hash   Hash    // of the key that was shown
}

// Internal returns a principal that has all rights and no key, for what the program does by itself.
func Internal(id string) *Principal { return &Principal{ID: id, grants: everything, all: true} }

// TakeToken counts a request against the rate of the principal's key. Over the rate it returns an error with reason
// RATE_LIMITED.
func (p *Principal) TakeToken() error {
	if p.rate == nil {
		return nil
	}
	if wait, ok := p.rate.take(time.Now()); !ok {
		return contract.RateLimited.RetryAfter(wait, "the rate limit of API key %q is %g requests a second", p.ID, p.rate.perSecond)
	}
	return nil
}

type contextKey struct{}

// NewContext returns ctx on behalf of p.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns who is calling, or nil if nobody was authenticated.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// MayWrite returns an error with reason PERMISSION_DENIED if p may not write key.
func (p *Principal) MayWrite(key string) error { return p.denial(p.needsKey(Write, key)) }

// may returns an error with reason PERMISSION_DENIED if p may not make the call whose request is message. Of a batch it
// may make all, or none.
func (p *Principal) may(message any) error {
	batch, ok := message.(*keyvaluev1.BatchRequest)
	if !ok {
		return p.denial(p.lacks(contract.MethodFor(message), message))
	}
	if p.all {
		return nil
	}
	for i, operation := range batch.GetOperations() {
		if err := p.denial(p.lacks(contract.Unwrap(operation))); err != nil {
			return contract.AtOperation(i, err)
		}
	}
	return nil
}

// denial returns why p is refused what it lacks, and nil if that is nothing.
func (p *Principal) denial(lacks string) error {
	if lacks == "" {
		return nil
	}
	return contract.PermissionDenied.Errorf("the API key %q may not %s", p.ID, lacks)
}

// lacks returns what p may not do of that which a request of m asks for, and "" if it may do all of it. A method that is
// not in the contract, and one whose rights are not its own, needs all rights.
func (p *Principal) lacks(m *contract.Method, request any) string {
	if m == nil || m.Rights == 0 {
		if p.all {
			return ""
		}
		return "make this call"
	}
	keys := m.Keys(request)
	if keys.Prefix {
		return p.needsRange(Ops(m.Rights), keys.Key)
	}
	return p.needsKey(Ops(m.Rights), keys.Key)
}

func (p *Principal) needsKey(ops Ops, key string) string {
	if p.all || p.grants.allowsKey(ops, key) {
		return ""
	}
	return fmt.Sprintf("%s %q", ops, key)
}

func (p *Principal) needsRange(ops Ops, prefix string) string {
	switch {
	case p.all, p.grants.allowsRange(ops, prefix):
		return ""
	case prefix == "":
		return fmt.Sprintf("%s every key", ops)
	}
	return fmt.Sprintf("%s all keys that begin with %q", ops, prefix)
}

// Ops are kinds of operations.
type Ops uint8

// The kinds. Get, List and Watch read; Set, Delete and Touch write; Increment, which answers with the value, does both.
const (
	Read  = Ops(contract.Read)
	Write = Ops(contract.Write)
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
