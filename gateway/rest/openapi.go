package rest

import (
	_ "embed"
	"net/http"
)

// openAPI describes the routes of this package, and the probes beside them, in OpenAPI 3.1. A test holds it to
// what is served.
//
//go:embed openapi.json
var openAPI []byte

// getOpenAPI answers whoever asks, so that tools can read it without a key.
func (a *api) getOpenAPI(w http.ResponseWriter, r request) error {
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, openAPI)
	return nil
}
