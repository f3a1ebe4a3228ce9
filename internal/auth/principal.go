package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission/share"
	"key-value/internal/contract"
	"key-value/internal/keyrange"
)

// Principal is an authenticated caller: the API key it sent and what that key allows. It is immutable.
type Principal struct {
	ID string // of the key, for logs

	grants  Grants
	all     bool      // whether grants are all rights
	rate    *rate     // nil: no limit
	expires time.Time // when the key sent expires; zero: never
	holder  *share.Holder
	keys    *Keys // that the key is from; nil: it is valid as long as the program runs
	hash    Hash  // of the key sent

	stretched func() Hash // signs tickets in place of hash; nil: hash does
	ticket    *ticket     // that was sent in place of a key, and is the only right; nil: a key was sent
}

// Internal returns a principal with all rights and no key, for calls that the program makes by itself.
func Internal(id string) *Principal {
	return &Principal{ID: id, grants: everything, all: true, holder: &share.Holder{}}
}

// Holder returns what the principal's key holds of limited resources. It is nil if p is.
func (p *Principal) Holder() *share.Holder {
	if p == nil {
		return nil
	}
	return p.holder
}

// TakeToken counts a request against the rate of the principal's key. Over the rate it returns an error with reason
// RATE_LIMITED.
func (p *Principal) TakeToken() error {
	if p.rate == nil {
		return nil
	}
	if wait, ok := p.rate.take(time.Now()); !ok {
		return contract.RateLimited.RetryAfter(wait, "rate limit of API key %q exceeded: %g requests per second", p.ID, p.rate.perSecond)
	}
	return nil
}

type contextKey struct{}

// Context is a context with a caller. Contexts that also hold something else embed it.
type Context struct {
	context.Context
	Caller *Principal // nil: that of the embedded context
}

// Value implements [context.Context].
func (c *Context) Value(key any) any {
	if key == (contextKey{}) && c.Caller != nil {
		return c.Caller
	}
	return c.Context.Value(key)
}

// NewContext returns ctx with p as the caller.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return &Context{ctx, p}
}

// FromContext returns the caller in ctx, or nil if it was not authenticated.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// MayWrite returns an error with reason PERMISSION_DENIED if p may not write key.
func (p *Principal) MayWrite(key string) error { return p.mayUse(Write, key) }

// may returns an error with reason PERMISSION_DENIED if p may not make the call with this request. A batch needs the
// rights of all its operations.
func (p *Principal) may(request any) error {
	if p.ticket != nil {
		return p.ticket.may(request)
	}
	batch, ok := request.(*keyvaluev1.BatchRequest)
	if !ok {
		return p.mayCall(contract.MethodFor(request), request)
	}
	if p.all {
		return nil
	}
	for i, operation := range batch.GetOperations() {
		if err := p.mayCall(contract.Unwrap(operation)); err != nil {
			return contract.AtOperation(i, err)
		}
	}
	return nil
}

// mayCall is may for a request of m. A method that the contract does not have, or that has no rights of its own, needs
// all rights.
func (p *Principal) mayCall(m *contract.Method, request any) error {
	switch {
	case p.all:
		return nil
	case m == nil || m.Rights == 0:
		return p.denied("make this call")
	}
	ops, keys := Ops(m.Rights), m.Keys(request)
	switch {
	case !keys.Prefix:
		return p.mayUse(ops, keys.Key)
	case p.grants.allowsRange(ops, keys.Range()):
		return nil
	}
	return p.denied(fmt.Sprintf("%s %s", ops, describe(keys)))
}

// describe returns what keys are, for use in a sentence.
func describe(keys contract.Keys) string {
	what := "every key"
	if keys.Key != "" {
		what = fmt.Sprintf("all keys that begin with %q", keys.Key)
	}
	if keys.Start != "" {
		what += fmt.Sprintf(" from %q on", keys.Start)
	}
	if keys.End != "" {
		what += fmt.Sprintf(" before %q", keys.End)
	}
	return what
}

func (p *Principal) mayUse(ops Ops, key string) error {
	if p.all || p.grants.allowsKey(ops, key) {
		return nil
	}
	return p.denied(fmt.Sprintf("%s %q", ops, key))
}

func (p *Principal) denied(what string) error {
	return contract.PermissionDenied.Errorf("the API key %q may not %s", p.ID, what)
}

// Ops are a set of kinds of operations.
type Ops uint8

// The kinds of operations. Get, List and Watch read; Set, Delete and Touch write. Increment does both, because it returns
// the value.
const (
	Read  = Ops(contract.Read)
	Write = Ops(contract.Write)
)

// ParseOps returns the kinds that words name: "read" or "write".
func ParseOps(words []string) (Ops, error) {
	var ops Ops
	for _, word := range words {
		switch word {
		case "read":
			ops |= Read
		case "write":
			ops |= Write
		default:
			return 0, fmt.Errorf("invalid operation %q: want read or write", word)
		}
	}
	return ops, nil
}

// Words returns the names of the kinds, as [ParseOps] reads them.
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

// String returns o for use in a sentence, such as "read and write".
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

// Grant allows operations on the keys that begin with a prefix. A grant without operations allows none of them.
type Grant struct {
	Prefix string `json:"prefix"` // compared byte by byte; empty: all keys
	Ops    Ops    `json:"ops"`
}

// Grants are the rights of an API key. Of the grants whose prefix a key of the store has, the one with the longest
// prefix decides. A key without such a grant is off limits.
type Grants []Grant

// everything grants all rights.
var everything = Grants{{Prefix: "", Ops: Read | Write}}

// allowsKey reports whether g allows all of ops on key.
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

// allowsRange reports whether g allows all of ops on every key that can be in r. One grant must cover r, and no grant for
// a part of it may allow less.
func (g Grants) allowsRange(ops Ops, r keyrange.Range) bool {
	longest := -1
	var allowed Ops
	for _, grant := range g {
		switch covered := keyrange.Of(grant.Prefix, "", ""); {
		case covered.Contains(r):
			if len(grant.Prefix) > longest {
				longest, allowed = len(grant.Prefix), grant.Ops
			}
		case covered.Overlaps(r) && grant.Ops&ops != ops:
			return false
		}
	}
	return allowed&ops == ops
}
