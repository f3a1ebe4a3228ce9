package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// A key learns what it is and may do, whatever that is, and nothing of other keys.
func TestACallerLearnsOfItsOwnKeyAlone(t *testing.T) {
	t.Parallel()
	soon, later := time.Now().Add(time.Hour).Truncate(time.Second).UTC(), time.Now().Add(48*time.Hour).Truncate(time.Second).UTC()
	k := newKeyring(t)
	k.add("reader", "", read)
	k.add("idle", "in/", 0)
	k.add("limited", "users/", read|write, func(r *auth.Record) {
		r.Expires, r.RequestsPerSecond = later, 1000
		r.Grants = append(r.Grants, auth.Grant{Prefix: "logs/", Ops: write})
		k.key["rotated"] = auth.Generate("limited")
		r.Previous = &auth.Previous{SHA256: auth.HashOf(k.key["rotated"]), Expires: soon}
	})
	k.key["default"] = apiKey
	limited := []*keyvaluev1.Grant{{Prefix: "users/", Ops: []string{"read", "write"}}, {Prefix: "logs/", Ops: []string{"write"}}}
	wants := map[string]struct {
		rpc  *keyvaluev1.GetCallerResponse
		rest string
	}{
		"default": {
			&keyvaluev1.GetCallerResponse{Id: "default", Grants: []*keyvaluev1.Grant{{Ops: []string{"read", "write"}}}},
			`{"id":"default","grants":[{"prefix":"","ops":["read","write"]}],"rate":0}`,
		},
		"reader": {
			&keyvaluev1.GetCallerResponse{Id: "reader", Grants: []*keyvaluev1.Grant{{Ops: []string{"read"}}}},
			`{"id":"reader","grants":[{"prefix":"","ops":["read"]}],"rate":0}`,
		},
		"idle": {
			&keyvaluev1.GetCallerResponse{Id: "idle", Grants: []*keyvaluev1.Grant{{Prefix: "in/"}}},
			`{"id":"idle","grants":[{"prefix":"in/","ops":[]}],"rate":0}`,
		},
		"limited": {
			&keyvaluev1.GetCallerResponse{Id: "limited", Grants: limited, ExpireTime: timestamppb.New(later), Rate: 1000},
			`{"id":"limited","grants":[{"prefix":"users/","ops":["read","write"]},{"prefix":"logs/","ops":["write"]}],"expireTime":"` +
				later.Format(time.RFC3339) + `","rate":1000}`,
		},
		"rotated": {
			&keyvaluev1.GetCallerResponse{Id: "limited", Grants: limited, ExpireTime: timestamppb.New(soon), Rate: 1000},
			`{"id":"limited","grants":[{"prefix":"users/","ops":["read","write"]},{"prefix":"logs/","ops":["write"]}],"expireTime":"` +
				soon.Format(time.RFC3339) + `","rate":1000}`,
		},
	}
	for _, arrangement := range arrangements {
		url := k.start(arrangement.transport(t, newEngine(t)))
		for id, want := range wants {
			for _, wire := range wiretest.Wires() {
				got, err := wire.Dial(t, url, k.header(id)...).GetCaller(t.Context(), &keyvaluev1.GetCallerRequest{})
				if err != nil || !proto.Equal(got, want.rpc) {
					t.Errorf("%s: GetCaller over %s as %s = {%v}, %v, want {%v}", arrangement.name, wire.Name, id, got, err, want.rpc)
				}
			}
			got := askAs(t, http.MethodGet, url+"/v1/caller", "", k.header(id)...)
			if strings.TrimSpace(got.body) != want.rest || got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: GET /v1/caller as %s = %d %s, want %s, not to be stored", arrangement.name, id, got.status, got.body, want.rest)
			}
		}
	}
}

// A kvservice knows only the token of its gateways.
func TestAKVServiceKnowsNoCallers(t *testing.T) {
	t.Parallel()
	url := serveService(t, newEngine(t))
	for _, wire := range wiretest.Wires() {
		_, err := wire.Dial(t, url, "authorization", "Bearer "+token).GetCaller(t.Context(), &keyvaluev1.GetCallerRequest{})
		if contract.ReasonOf(err) != contract.Unimplemented {
			t.Errorf("GetCaller of a kvservice over %s = %v, want UNIMPLEMENTED", wire.Name, err)
		}
		err = calls["CreateTicket"](t.Context(), wire.Dial(t, url, "authorization", "Bearer "+token), "")
		if contract.ReasonOf(err) != contract.Unimplemented {
			t.Errorf("CreateTicket of a kvservice over %s = %v, want UNIMPLEMENTED", wire.Name, err)
		}
	}
}
