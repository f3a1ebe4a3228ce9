package apikey_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"

	"key-value/internal/apikey"
)

// write writes a keys file of records to path.
func write(t testing.TB, path string, records ...apikey.Record) {
	t.Helper()
	if err := apikey.EditFile(path, func(f *apikey.File) error {
		f.Keys = records
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// open returns the keys of cfg, with records in a file.
func open(t testing.TB, cfg apikey.Config, records ...apikey.Record) *apikey.Keys {
	t.Helper()
	if cfg.File == "" {
		cfg.File = filepath.Join(t.TempDir(), "keys.json")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	write(t, cfg.File, records...)
	keys, err := apikey.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// record is a key with all rights, unless change says otherwise.
func record(id, key string, change ...func(*apikey.Record)) apikey.Record {
	r := apikey.Record{ID: id, SHA256: apikey.HashOf(key), Status: apikey.Active, Grants: grants("", apikey.Read|apikey.Write)}
	for _, c := range change {
		c(&r)
	}
	return r
}

// grants are grants of prefixes and operations in turn.
func grants(pairs ...any) (g apikey.Grants) {
	for i := 0; i+1 < len(pairs); i += 2 {
		g = append(g, apikey.Grant{Prefix: pairs[i].(string), Ops: pairs[i+1].(apikey.Ops)})
	}
	return g
}

// bearing is the header of a request with key.
func bearing(key string) http.Header { return http.Header{"X-Api-Key": {key}} }
