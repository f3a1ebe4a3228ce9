package cache_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"key-value/client"
	"key-value/client/cache"
	"key-value/gateway"
	"key-value/internal/auth"
	"key-value/internal/hop"
	"key-value/internal/server"
	"key-value/internal/server/rpc"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

// A cache that has lost its rights keeps what it has, and catches up when it has them again.
func TestACacheOutlivesTheLossOfItsRights(t *testing.T) {
	t.Parallel()
	discard := slog.New(slog.DiscardHandler)
	file, all, scoped := filepath.Join(t.TempDir(), "keys.json"), auth.Generate("all"), auth.Generate("scoped")
	record := auth.Record{ID: "scoped", SHA256: auth.HashOf(scoped), Status: auth.Active}
	edit := func(change func(*auth.Record)) {
		t.Helper()
		change(&record)
		err := auth.EditFile(file, func(f *auth.File) error {
			f.Keys = []auth.Record{record}
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	grant := func(prefix string) { record.Grants = []auth.Grant{{Prefix: prefix, Ops: auth.Read}} }
	edit(func(*auth.Record) { grant("config/") })
	keys, err := auth.New(auth.Config{Secret: all, File: file, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	service := rpc.NewServer(kvservice.New(newEngine(t), kvservice.Config{}), rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: discard,
	})
	url := wiretest.Serve(t, gateway.New(hop.NewClient(rpc.InProcess(service), hop.Config{Log: discard}), gateway.Config{
		Keys: keys, State: server.NewState(), Log: discard,
	}))
	direct := dial(t, url, client.WithAPIKey(all))
	set(t, direct, "config/a", "1")
	c := open(t, dial(t, url, client.WithAPIKey(scoped)), cache.Prefix("config/"))

	losses := []struct {
		lose, regain func(*auth.Record)
		want         error
	}{
		{
			func(r *auth.Record) { r.Status = auth.Revoked }, func(r *auth.Record) { r.Status = auth.Active },
			client.ErrUnauthenticated,
		},
		{
			func(*auth.Record) { grant("config/b/") }, func(*auth.Record) { grant("config/") },
			client.ErrPermissionDenied,
		},
	}
	value := "1"
	for _, loss := range losses {
		edit(loss.lose)
		keys.Reload(discard)
		eventually(t, "the cache is cut off by "+loss.want.Error(), func() bool { return errors.Is(c.Err(), loss.want) })
		wantValue(t, c, "config/a", value)
		value += "+"
		written := set(t, direct, "config/a", value)
		edit(loss.regain)
		keys.Reload(discard)
		waitRevision(t, c, written.Revision)
		wantValue(t, c, "config/a", value)
	}
}
