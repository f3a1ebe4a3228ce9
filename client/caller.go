package client

import (
	"context"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Caller describes the API key that a client uses.
type Caller struct {
	ID         string    // of the key; not secret
	Grants     []Grant   // what the key allows
	ExpireTime time.Time // when the key expires; zero means never
	Rate       float64   // requests that the key may make each second; zero means no limit
}

// Grant is the right to operations on the keys that begin with a prefix. Of the grants whose prefix a key has, the one with the
// longest prefix decides.
type Grant struct {
	Prefix string   // empty means all keys
	Ops    []string // "read", "write"
}

// Caller returns what the API key of the client is and allows. Any valid key may ask. A kvservice does not know API keys, so a
// client that calls one with its service token gets an [Error] with reason UNIMPLEMENTED.
func (c *Client) Caller(ctx context.Context) (Caller, error) {
	res, err := call(ctx, &keyvaluev1.GetCallerRequest{}, c.rpc.GetCaller)
	if err != nil {
		return Caller{}, err
	}
	caller := Caller{ID: res.GetId(), ExpireTime: timeOf(res.GetExpireTime()), Rate: res.GetRate()}
	for _, g := range res.GetGrants() {
		caller.Grants = append(caller.Grants, Grant{Prefix: g.GetPrefix(), Ops: g.GetOps()})
	}
	return caller, nil
}
