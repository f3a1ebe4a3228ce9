package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/callctx"
	"key-value/internal/contract"
	"key-value/internal/contract/etag"
)

// condition holds the If-Match, If-Unmodified-Since and If-None-Match headers of a request, which are evaluated in this
// order (RFC 9110, section 13.2.2). The zero value always holds.
type condition struct {
	match      etag.Condition
	unmodified time.Time // If-Unmodified-Since; zero: none, or there is an If-Match
	noneMatch  etag.Condition
}

// state is what conditions depend on in an entry.
type state struct {
	exists   bool
	etag     string    // empty if the entry does not exist
	modified time.Time // as of [modifiedAt]
}

// parseCondition reads the conditions of a read. Ignoring a date that is malformed gives the caller the whole answer.
func parseCondition(h http.Header) (c condition, err error) {
	if c.match, err = etag.Parse(h["If-Match"]); err != nil {
		return condition{}, contract.RequestInvalid.Errorf("If-Match: %v", err)
	}
	if c.noneMatch, err = etag.Parse(h["If-None-Match"]); err != nil {
		return condition{}, contract.RequestInvalid.Errorf("If-None-Match: %v", err)
	}
	if since, ok := dateIn(h["If-Unmodified-Since"]); ok && !c.match.Present() {
		c.unmodified = since
	}
	return c, nil
}

// parseWriteCondition reads the conditions of a write. Ignoring one that is malformed would perform a write that was meant
// to be conditional.
func parseWriteCondition(h http.Header) (condition, error) {
	c, err := parseCondition(h)
	if dates := h["If-Unmodified-Since"]; err == nil && len(dates) > 0 && !c.match.Present() && c.unmodified.IsZero() {
		return condition{}, contract.RequestInvalid.Errorf("If-Unmodified-Since: invalid date %q: want one, such as %q",
			strings.Join(dates, ", "), http.TimeFormat)
	}
	return c, err
}

// checkMatch returns an error unless If-Match holds.
func (c condition) checkMatch(now state) error {
	switch {
	case !c.match.Present(), now.exists && c.match.MatchesStrongly(now.etag):
		return nil
	case c.match.Any():
		return contract.KeyAbsent.Errorf("If-Match: the key does not exist")
	}
	return contract.ETagMismatch.Errorf("If-Match: no listed entity tag matches the entry")
}

// checkWrite returns an error unless c permits a write.
func (c condition) checkWrite(now state) error {
	if err := c.checkMatch(now); err != nil {
		return err
	}
	if err := c.checkUnmodified(now); err != nil {
		return err
	}
	switch {
	case !now.exists || !c.noneMatch.MatchesWeakly(now.etag):
		return nil
	case c.noneMatch.Any():
		return contract.KeyExists.Errorf("If-None-Match: the key already exists")
	}
	return contract.ETagMismatch.Errorf("If-None-Match: a listed entity tag matches the entry")
}

// checkUnmodified returns an error unless If-Unmodified-Since permits a write. Entries that were written within a second
// have the same date, so the second of the date itself counts as later; so does a deletion, whose time is not known.
func (c condition) checkUnmodified(now state) error {
	switch {
	case c.unmodified.IsZero(), now.exists && now.modified.Before(c.unmodified):
		return nil
	case !now.exists:
		return contract.KeyAbsent.Errorf("If-Unmodified-Since: the key does not exist")
	}
	return contract.ETagMismatch.Errorf(
		"If-Unmodified-Since: the entry was written in that second or later; to name a version exactly, send its etag as If-Match")
}

// precondition returns the precondition of the service that is equivalent to c, or nil if c always holds. It returns
// false if no precondition is equivalent.
func (c condition) precondition() (*keyvaluev1.Precondition, bool) {
	match, noneMatch := c.match.Present(), c.noneMatch.Present()
	tag, single := c.match.Single()
	switch {
	case !c.unmodified.IsZero():
		return nil, false
	case !match && !noneMatch:
		return nil, true
	case c.match.Any() && !noneMatch:
		return mustExist(true), true
	case c.noneMatch.Any() && !match:
		return mustExist(false), true
	case single && !noneMatch && tag != "":
		return mustBe(tag), true
	}
	return nil, false
}

func mustExist(exists bool) *keyvaluev1.Precondition {
	return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}
}

func mustBe(tag string) *keyvaluev1.Precondition {
	return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: tag}}
}

// preconditionBody must have exactly one of its members. The etag lacks the quotes that it has in a header.
type preconditionBody struct {
	ETag   *string `json:"etag"`
	Exists *bool   `json:"exists"`
}

// precondition returns the precondition in b, or nil if b is nil. For an empty body it is empty, which the service rejects.
func (b *preconditionBody) precondition() (*keyvaluev1.Precondition, error) {
	switch {
	case b == nil:
		return nil, nil
	case b.ETag != nil && b.Exists != nil:
		return nil, contract.RequestInvalid.Errorf("a precondition must set exactly one of etag and exists; got both")
	case b.ETag != nil:
		return mustBe(*b.ETag), nil
	case b.Exists != nil:
		return mustExist(*b.Exists), nil
	}
	return &keyvaluev1.Precondition{}, nil
}

// rejectConditions rejects the conditions of writes on a route that does not evaluate them. Ignoring them would allow the
// write that the caller wants to prevent.
func rejectConditions(h http.Header) error {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
		if len(h.Values(name)) > 0 {
			return contract.RequestInvalid.Errorf("%s is not supported on this route; in a batch, set precondition on the operation", name)
		}
	}
	return nil
}

// maxAttempts bounds how often a conditional write is tried if the service has no precondition for its condition.
const maxAttempts = 8

// conditionally makes write at an instant at which c holds.
//
// The service checks a condition for which it has a precondition. Any other condition is evaluated here, for the current
// version of the entry, and that version becomes the precondition of the write. If the entry changes in between, the
// service rejects the write, and the condition is evaluated again.
func (a *api) conditionally(
	ctx context.Context, key string, c condition, write func(*keyvaluev1.Precondition) error,
) error {
	if p, ok := c.precondition(); ok {
		return write(p)
	}
	if caller := auth.FromContext(ctx); caller != nil {
		if err := caller.MayWrite(key); err != nil {
			return err // the caller must not learn whether the condition holds
		}
	}
	for range maxAttempts {
		now, err := a.state(ctx, key)
		if err != nil {
			return err
		}
		if err := c.checkWrite(now); err != nil {
			return err
		}
		if err := write(now.unchanged()); !preconditionFailed(err) {
			return err
		}
	}
	return contract.Overloaded.Errorf("the key changes too often to check the condition; nothing was written, retry later")
}

func (a *api) state(ctx context.Context, key string) (state, error) {
	call := callctx.WithTimeout(ctx, a.timeout) // has its own metadata
	defer call.Cancel()
	res, err := a.client.Get(call, &keyvaluev1.GetRequest{Key: key, Uncounted: true})
	switch {
	case err == nil:
		return state{exists: true, etag: res.GetEntry().GetEtag(), modified: modifiedAt(res.GetEntry())}, nil
	case contract.ReasonOf(err) == contract.KeyNotFound:
		return state{}, nil
	}
	return state{}, err
}

// unchanged returns the precondition that holds until the entry changes.
func (s state) unchanged() *keyvaluev1.Precondition {
	if !s.exists {
		return mustExist(false)
	}
	return mustBe(s.etag)
}

func preconditionFailed(err error) bool {
	switch contract.ReasonOf(err) {
	case contract.ETagMismatch, contract.KeyExists, contract.KeyAbsent:
		return true
	}
	return false
}
