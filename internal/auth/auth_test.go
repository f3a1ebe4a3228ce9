package auth_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"

	"key-value/internal/auth"
)

// write writes a keys file of records to path.
func write(t testing.TB, path string, records ...auth.Record) {
	t.Helper()
	if err := auth.EditFile(path, func(f *auth.File) error {
		f.Keys = records
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
}

// open returns the keys of cfg, whose file holds records.
func open(t testing.TB, cfg auth.Config, records ...auth.Record) *auth.Keys {
	t.Helper()
	if cfg.File == "" {
		cfg.File = filepath.Join(t.TempDir(), "keys.json")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	write(t, cfg.File, records...)
	keys, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// record returns a key with all rights, as modified by change.
func record(id, key string, change ...func(*auth.Record)) auth.Record {
	r := auth.Record{ID: id, SHA256: auth.HashOf(key), Status: auth.Active, Grants: grants("", auth.Read|auth.Write)}
	for _, c := range change {
		c(&r)
	}
	return r
}

// grants returns grants from prefixes and operations in turn.
func grants(pairs ...any) (g auth.Grants) {
	for i := 0; i+1 < len(pairs); i += 2 {
		g = append(g, auth.Grant{Prefix: pairs[i].(string), Ops: pairs[i+1].(auth.Ops)})
	}
	return g
}

// bearing returns the header of a request with key.
func bearing(key string) http.Header { return http.Header{"X-Api-Key": {key}} }
