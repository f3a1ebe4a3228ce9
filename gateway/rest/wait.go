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

// awaitValue is getValue for a caller who would rather wait than be told that nothing has changed. It waits for
// as long as the answer would be 304, and then answers as getValue would.
//
// It reads when the watch has begun, and again after every event, so that no change is lost between a read and
// the wait for the next change.
func (a *api) awaitValue(w http.ResponseWriter, r request, c condition, wait time.Duration) error {
	// The service is not told how long: its verdict that the time is up would be one more way to end.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer time.AfterFunc(wait, cancel).Stop()
	f := a.follow(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: r.key}})
	defer f.close()
	setWaited(w.Header(), wait)
	for {
		_, more := <-f.events
		if !more && !a.mayEnd(ctx, f.err) {
			return f.err
		}
		entry, err := a.read(r)
		if err != nil {
			return err
		}
		v, err := c.verdict(r, entry)
		if err != nil {
			return err
		}
		if !more || !v.notModified {
			a.answer(w, r, entry, v)
			return nil
		}
	}
}

// mayEnd reports whether a watch that ended with err has only ended the wait: the time is up, the server stops,
// or there were more events than the service keeps.
func (a *api) mayEnd(ctx context.Context, err error) bool {
	return ctx.Err() != nil || a.stopping.Err() != nil || contract.ReasonOf(err) == contract.ResumeTooOld
}

// maxWait is the longest that a request may wait for a change.
const maxWait = time.Minute

// preferredWait returns how long a request prefers to wait for a change, in whole seconds and at most maxWait.
// It is zero if it says nothing or nothing that can be understood: a preference is not a demand, so that a
// malformed one is ignored, and of several the first one counts (RFC 7240, section 2).
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

// seconds reads RFC 9110's delta-seconds, which has digits alone; too many of them are simply a long time.
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

// setWaited says that the preference was heeded, and to what extent.
func setWaited(h http.Header, wait time.Duration) {
	h["Preference-Applied"] = []string{"wait=" + strconv.Itoa(int(wait/time.Second))}
	h.Add("Vary", "Prefer")
}
