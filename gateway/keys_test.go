package gateway_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gateway"
	"key-value/internal/auth"
)

const (
	read  = auth.Read
	write = auth.Write
)

// keyring is a keys file with the keys themselves.
type keyring struct {
	t    *testing.T
	path string
	key  map[string]string // :: id → key
}

func newKeyring(t *testing.T) *keyring {
	return &keyring{t: t, path: filepath.Join(t.TempDir(), "keys.json"), key: map[string]string{}}
}

// add adds a key with rights on prefix, as modified by change.
func (k *keyring) add(id, prefix string, ops auth.Ops, change ...func(*auth.Record)) {
	k.t.Helper()
	k.key[id] = auth.Generate(id)
	r := auth.Record{
		ID: id, SHA256: auth.HashOf(k.key[id]), Status: auth.Active, Grants: auth.Grants{{Prefix: prefix, Ops: ops}},
	}
	for _, c := range change {
		c(&r)
	}
	k.edit(func(f *auth.File) { f.Keys = append(f.Keys, r) })
}

func (k *keyring) edit(change func(*auth.File)) {
	k.t.Helper()
	err := auth.EditFile(k.path, func(f *auth.File) error {
		change(f)
		return nil
	}, nil)
	if err != nil {
		k.t.Fatal(err)
	}
}

// header returns the header of a caller with the key of id.
func (k *keyring) header(id string) []string { return []string{"x-api-key", k.key[id]} }

// start serves a gateway over transport with the keys of the ring and apiKey, and returns its URL.
func (k *keyring) start(transport connect.Transport, change ...func(*auth.Config)) string {
	k.t.Helper()
	cfg := auth.Config{Secret: apiKey, File: k.path, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	keys, err := auth.New(cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	stop := keys.Follow()
	url := start(k.t, transport, func(c *gateway.Config) { c.Keys = keys })
	k.t.Cleanup(stop)
	return url
}

// ring returns a key for each way in which a key can lack a right or be invalid.
func ring(t *testing.T) *keyring {
	k := newKeyring(t)
	k.add("reader", "", read)
	k.add("writer", "", write)
	k.add("inside", "in/", read|write)
	k.add("idle", "in/", 0)
	k.add("revoked", "", read|write, func(r *auth.Record) { r.Status = auth.Revoked })
	k.add("expired", "", read|write, func(r *auth.Record) { r.Expires = time.Now().Add(-time.Minute) })
	k.add("early", "", read|write, func(r *auth.Record) { r.NotBefore = time.Now().Add(time.Hour) })
	k.key["unknown"] = auth.Generate("unknown")
	k.key["forged"] = auth.Generate("reader")
	return k
}

// invalid are the ids of the invalid keys of ring.
var invalid = []string{"revoked", "expired", "early", "unknown", "forged"}
