package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// awaitValue is [api.getValue] with long polling: while the response would be 304, it waits for a change, for at most the
// time wait.
//
// It reads once the watch is open and again after each event, so it misses no change between a read and the wait that
// follows.
func (a *api) awaitValue(w http.ResponseWriter, r request, c condition, wait time.Duration) error {
	// ctx has no deadline: the service would enforce it too and end the watch with an error of its own.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer time.AfterFunc(wait, cancel).Stop()
	sub := a.subscribe(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: r.key}})
	defer sub.close()
	setApplied(w.Header(), wait)
	for again := false; ; again = true {
		event, more := <-sub.events
		r.account.Sent(1)
		sub.wrote(event)
		if !more && !a.endsWait(ctx, sub.err) {
			return sub.err
		}
		entry, err := a.read(r, again)
		if err != nil {
			return err
		}
		v, err := c.verdict(r, entry)
		if err != nil {
			return err
		}
		if !more || !v.notModified {
			return a.writeVerdict(w, r, entry, v)
		}
	}
}

// endsWait reports whether a watch that ended with err only ends the wait, and does not fail the request: the time is up,
// the server is shutting down, or the service dropped events that this watch had not received.
func (a *api) endsWait(ctx context.Context, err error) bool {
	return ctx.Err() != nil || a.stopping.Err() != nil || contract.ReasonOf(err) == contract.ResumeTooOld
}

// maxWait bounds how long a request can wait for a change. Many proxies give up on a response after 60 s, and the read that
// follows a wait may take some of them.
const maxWait = 45 * time.Second

// preferredWait returns how long a request prefers to wait for a change, in whole seconds and at most maxWait. It returns
// zero without a valid wait preference: malformed preferences are ignored, and the first of several counts (RFC 7240,
// section 2).
func preferredWait(h http.Header) time.Duration {
	for preference := range listElements(strings.Join(h["Prefer"], ",")) {
		name, value, _ := strings.Cut(preference[:endOf(preference, ';')], "=")
		if !strings.EqualFold(strings.TrimRight(name, " \t"), "wait") {
			continue
		}
		value = strings.Trim(value, " \t")
		if inner, ok := strings.CutPrefix(value, `"`); ok {
			value = strings.TrimSuffix(inner, `"`)
		}
		return seconds(value)
	}
	return 0
}

// seconds parses delta-seconds (RFC 9111, section 1.2.2), which consist of digits only. It reduces a number that is too
// large to maxWait.
func seconds(s string) time.Duration {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > int(maxWait/time.Second) {
		return maxWait
	}
	return time.Duration(n) * time.Second
}

// setApplied reports that the preference was applied, and with what wait.
func setApplied(h http.Header, wait time.Duration) {
	h["Preference-Applied"] = []string{"wait=" + strconv.Itoa(int(wait/time.Second))}
	h.Add("Vary", "Prefer")
}
