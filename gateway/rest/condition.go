package rest

import (
	"net/http"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/contract/etag"
)

// condition is what a request's If-Match and If-None-Match demand, the first before the second (RFC 9110,
// section 13.2.2). The zero value demands nothing.
type condition struct {
	match     etag.Condition
	noneMatch etag.Condition
}

// state is an entry as far as conditions care.
type state struct {
	exists bool
	etag   string // empty if the entry does not exist
}

func parseCondition(h http.Header) (c condition, err error) {
	if c.match, err = etag.Parse(h["If-Match"]); err != nil {
		return condition{}, contract.RequestInvalid.Errorf("If-Match: %v", err)
	}
	if c.noneMatch, err = etag.Parse(h["If-None-Match"]); err != nil {
		return condition{}, contract.RequestInvalid.Errorf("If-None-Match: %v", err)
	}
	return c, nil
}

// checkMatch returns why If-Match does not hold, or nil.
func (c condition) checkMatch(now state) error {
	switch {
	case !c.match.Present(), now.exists && c.match.MatchesStrongly(now.etag):
		return nil
	case c.match.Any():
		return contract.KeyAbsent.Errorf("If-Match: the key does not exist")
	}
	return contract.ETagMismatch.Errorf("If-Match: the entry is not in a version that is listed")
}

// checkWrite returns why a write must not happen, or nil.
func (c condition) checkWrite(now state) error {
	if err := c.checkMatch(now); err != nil {
		return err
	}
	switch {
	case !now.exists || !c.noneMatch.MatchesWeakly(now.etag):
		return nil
	case c.noneMatch.Any():
		return contract.KeyExists.Errorf("If-None-Match: the key exists")
	}
	return contract.ETagMismatch.Errorf("If-None-Match: the entry is in a version that is listed")
}

// precondition returns c as the service knows it, nil for none, or false if the service has no such thing.
func (c condition) precondition() (*keyvaluev1.Precondition, bool) {
	match, noneMatch := c.match.Present(), c.noneMatch.Present()
	tag, single := c.match.Single()
	switch {
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

// refuseConditions refuses If-Match and If-None-Match where they could only be ignored, and with them what
// the caller wants to guard against.
func refuseConditions(h http.Header) error {
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if len(h.Values(name)) > 0 {
			return contract.RequestInvalid.Errorf("%s has no meaning here; in a batch, an operation may have a precondition", name)
		}
	}
	return nil
}
