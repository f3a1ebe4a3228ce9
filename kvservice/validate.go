package kvservice

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// checkRange returns an error with reason KEY_INVALID if prefix, start or end could not be part of a key, and with
// REQUEST_INVALID if start and end are the wrong way round. Then nothing would be found, which looks like an answer.
func checkRange(prefix, start, end string) error {
	if err := contract.CheckPart("prefix", prefix); err != nil {
		return err
	}
	if err := contract.CheckPart("start", start); err != nil {
		return err
	}
	if err := contract.CheckPart("end", end); err != nil {
		return err
	}
	if end != "" && start > end {
		return contract.RequestInvalid.Errorf(
			"start %.40q is after end %.40q: want start before end, also in reverse", start, end)
	}
	return nil
}

// readTTL returns the TTL, or zero for an entry that never expires.
func readTTL(ttl *durationpb.Duration) (time.Duration, error) {
	if ttl == nil {
		return 0, nil
	}
	d := ttl.AsDuration() // saturates, so an overflow exceeds the maximum
	if ttl.CheckValid() != nil || d <= 0 || d > contract.MaxTTL {
		return 0, contract.TTLInvalid.Errorf("invalid TTL: want more than 0 and at most 10 years (%.0f hours), or no TTL for an entry that never expires",
			contract.MaxTTL.Hours())
	}
	return d, nil
}

// readPrecondition returns the precondition in p. An etag that this service never made is valid and never matches.
func readPrecondition(p *keyvaluev1.Precondition) (store.Precondition, error) {
	if p == nil {
		return store.Precondition{}, nil
	}
	switch kind := p.GetKind().(type) {
	case *keyvaluev1.Precondition_Exists:
		if kind.Exists {
			return store.IfExists(), nil
		}
		return store.IfAbsent(), nil
	case *keyvaluev1.Precondition_Etag:
		if kind.Etag == "" || strings.Contains(kind.Etag, `"`) {
			return store.Precondition{}, contract.RequestInvalid.Errorf(
				"invalid precondition.etag %q: want an etag without quotes, as in a response message", kind.Etag)
		}
		version, _ := store.ParseVersion(kind.Etag)
		return store.IfVersion(version), nil
	}
	return store.Precondition{}, contract.RequestInvalid.Errorf("empty precondition: set etag or exists")
}
