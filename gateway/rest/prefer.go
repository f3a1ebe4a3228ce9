package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

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
