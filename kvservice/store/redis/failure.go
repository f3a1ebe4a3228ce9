package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// unread is why a read had no answer.
func unread(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// broken is why a function had no answer. A server that refused it has changed nothing; one that did not answer may
// have carried it out.
func broken(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if refused, ok := rueidis.IsRedisErr(err); ok {
		return refusal(refused)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnknownOutcome, err)
}

// unasked is why a function that changes nothing for the caller had no answer: whether it was called is all the same.
func unasked(err error) error {
	if errors.Is(err, store.ErrUnknownOutcome) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return err
}

// unable is how the answers of a server begin that cannot do anything now: the cluster has lost slots or is moving
// them, the node is reading its data, has become a replica, or has no replicas to write to, cannot persist, is busy
// with a function, or does not let us in.
var unable = []string{
	"CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "MISCONF", "BUSY",
	"NOAUTH", "NOPERM", "WRONGPASS", "UNKILLABLE",
}

// refusal is the error for what a server answered. What is none of these is a defect, and stays as it is.
func refusal(err *rueidis.RedisError) error {
	message := err.Error()
	if strings.HasPrefix(message, "OOM") {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	for _, prefix := range unable {
		if strings.HasPrefix(message, prefix) || isUnknown(err) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
	return err
}
