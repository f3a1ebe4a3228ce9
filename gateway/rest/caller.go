package rest

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"key-value/internal/auth"
)

// callerBody is the JSON form of GetCallerResponse.
type callerBody struct {
	ID         string      `json:"id"`
	Grants     []grantBody `json:"grants"`
	ExpireTime time.Time   `json:"expireTime,omitzero"` // absent: never
	Rate       float64     `json:"rate"`                // requests each second; 0: no limit
}

type grantBody struct {
	Prefix string   `json:"prefix"`
	Ops    []string `json:"ops"`
}

// getCaller serves what the API key of the caller is and allows. The service does not know it.
func (a *api) getCaller(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	caller, err := auth.Describe(r.Context())
	if err != nil {
		return err
	}
	described := callerBody{ID: caller.GetId(), Rate: caller.GetRate()}
	for _, grant := range caller.GetGrants() {
		described.Grants = append(described.Grants, grantBody{grant.GetPrefix(), grant.GetOps()})
	}
	if caller.GetExpireTime() != nil {
		described.ExpireTime = caller.GetExpireTime().AsTime()
	}
	body, err := json.Marshal(described)
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, append(body, '\n'))
	return nil
}
