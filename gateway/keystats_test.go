package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// Key statistics name keys, so a key that may not read and write every key does not get them, whatever else it may.
func TestOnlyAKeyWithAllRightsGetsKeyStats(t *testing.T) {
	t.Parallel()
	for _, arrangement := range arrangements {
		t.Run(arrangement.name, func(t *testing.T) {
			t.Parallel()
			k := ring(t)
			k.key["default"] = apiKey
			k.add("all", "", read|write)
			k.add("almost", "", read|write, func(r *auth.Record) {
				r.Grants = append(r.Grants, auth.Grant{Prefix: "secret/", Ops: read})
			})
			url := k.start(arrangement.transport(t, newEngine(t)))
			for id, allowed := range map[string]bool{
				"default": true, "all": true, "almost": false, "reader": false, "writer": false, "inside": false, "idle": false,
			} {
				for _, wire := range wiretest.Wires() {
					_, err := wire.Dial(t, url, k.header(id)...).GetKeyStats(t.Context(), &keyvaluev1.GetKeyStatsRequest{})
					if allowed != (err == nil) || !allowed && (connect.CodeOf(err) != connect.CodePermissionDenied ||
						contract.ReasonOf(err) != contract.PermissionDenied || !strings.Contains(err.Error(), "may not read and write every key")) {
						t.Errorf("GetKeyStats over %s as %s = %v, want it allowed: %v", wire.Name, id, err, allowed)
					}
				}
				got := ask(t, http.MethodGet, url+"/v1/stats/keys", "", k.header(id)...)
				if allowed != (got.status == http.StatusOK) || !allowed && (got.status != http.StatusForbidden ||
					got.field("reason") != "PERMISSION_DENIED" || !strings.Contains(got.field("detail"), "may not read and write every key")) {
					t.Errorf("GET /v1/stats/keys as %s = %d %s, want it allowed: %v", id, got.status, got.body, allowed)
				}
			}
		})
	}
}
