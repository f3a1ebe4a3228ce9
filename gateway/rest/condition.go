package rest

import (
	"net/http"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/reason"
)

// condition is what a request's If-Match and If-None-Match demand, the first before the second (RFC 9110,
// section 13.2.2). The zero value demands nothing.
type condition struct {
	match     etagList
	noneMatch etagList
}

// state is an entry as far as conditions care.
type state struct {
	exists  bool
	version string // the entry's etag; empty if it does not exist
}

func parseCondition(h http.Header) (c condition, err error) {
	if c.match, err = parseETags("If-Match", h["If-Match"]); err != nil {
		return condition{}, err
	}
	c.noneMatch, err = parseETags("If-None-Match", h["If-None-Match"])
	return c, err
}

// checkMatch returns why If-Match does not hold, or nil. The comparison is the strong one.
func (c condition) checkMatch(now state) error {
	switch {
	case !c.match.present():
		return nil
	case c.match.any && now.exists:
		return nil
	case c.match.any:
		return reason.KeyAbsent.Errorf("If-Match: the key does not exist")
	}
	for _, tag := range c.match.tags {
		if now.exists && !tag.weak && tag.version() == now.version {
			return nil
		}
	}
	return reason.ETagMismatch.Errorf("If-Match: the entry is not in a version that is listed")
}

// checkWrite returns why a write must not happen, or nil. If-None-Match compares weakly.
func (c condition) checkWrite(now state) error {
	if err := c.checkMatch(now); err != nil || !now.exists {
		return err
	}
	if c.noneMatch.any {
		return reason.KeyExists.Errorf("If-None-Match: the key exists")
	}
	for _, tag := range c.noneMatch.tags {
		if tag.version() == now.version {
			return reason.ETagMismatch.Errorf("If-None-Match: the entry is in a version that is listed")
		}
	}
	return nil
}

// notModified reports whether who reads an entry already has the representation with this etag.
func (c condition) notModified(representation string) bool {
	for _, tag := range c.noneMatch.tags {
		if tag.opaque == representation {
			return true
		}
	}
	return c.noneMatch.any
}

// precondition returns c as the service knows it, nil for none, or false if the service has no such thing.
func (c condition) precondition() (*keyvaluev1.Precondition, bool) {
	match, noneMatch := c.match.present(), c.noneMatch.present()
	switch {
	case !match && !noneMatch:
		return nil, true
	case c.match.any && !noneMatch:
		return mustExist(true), true
	case c.noneMatch.any && !match:
		return mustExist(false), true
	case len(c.match.tags) == 1 && !c.match.tags[0].weak && !noneMatch:
		return mustBe(c.match.tags[0].version()), true
	}
	return nil, false
}

func mustExist(exists bool) *keyvaluev1.Precondition {
	return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}
}

func mustBe(version string) *keyvaluev1.Precondition {
	return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: version}}
}
