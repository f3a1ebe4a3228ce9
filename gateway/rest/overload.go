package rest

import (
	"net/http"

	"key-value/internal/contract"
)

// overloaded is the problem of a request that came while there was too much to do.
var overloaded = append(problemOf(contract.Overloaded.Errorf(
	"there is more to do than can be done; nothing was changed, try again later")).appendJSON(nil), '\n')

// writeOverloaded answers r with what was written down before: to refuse must cost next to nothing.
func writeOverloaded(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setCommonHeaders(h)
	h["Content-Type"] = problemType
	h["Retry-After"] = soon
	writeBody(w, r, http.StatusServiceUnavailable, overloaded)
}
