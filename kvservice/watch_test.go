package kvservice_test

import (
	"context"
	"fmt"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

func prefix(p string) *keyvaluev1.WatchRequest {
	return &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: p}}
}

func key(k string) *keyvaluev1.WatchRequest {
	return &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: k}}
}

// watch opens a watch and closes it when the test ends.
func watch(t *testing.T, kv client, req *keyvaluev1.WatchRequest) keyvaluev1connect.KeyValueServiceWatchClientStream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := kv.Watch(ctx, req)
	if err != nil {
		t.Fatalf("Watch = %v", err)
	}
	t.Cleanup(func() { cancel(); _ = stream.Close() })
	return stream
}

// next returns the next event as "TYPE key=value", and its resume token.
func next(t *testing.T, stream keyvaluev1connect.KeyValueServiceWatchClientStream) (string, string) {
	t.Helper()
	res, err := stream.Receive()
	if err != nil {
		t.Fatalf("Receive = %v", err)
	}
	e := res.GetEvent()
	text := e.GetType().String()[len("TYPE_"):]
	if entry := e.GetEntry(); entry != nil {
		text += " " + entry.GetKey()
		if entry.GetContent() != nil {
			text += "=" + entry.GetValue()
		}
	}
	return text, res.GetResumeToken()
}

func wantEvents(t *testing.T, stream keyvaluev1connect.KeyValueServiceWatchClientStream, want ...string) (token string) {
	t.Helper()
	for _, w := range want {
		var got string
		if got, token = next(t, stream); got != w {
			t.Fatalf("event %q, want %q", got, w)
		}
	}
	return token
}

func TestAWatchDeliversChangesInOrderAndResumes(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("a/0", "before"))
		w := watch(t, kv, prefix("a/"))
		wantEvents(t, w, "SYNC")
		mustSet(t, kv, text("a/1", "1"))
		mustSet(t, kv, text("b", "elsewhere"))
		mustSet(t, kv, text("a/1", "2"))
		_, err := kv.Delete(t.Context(), &keyvaluev1.DeleteRequest{Key: "a/1"})
		if err != nil {
			t.Fatal(err)
		}
		token := wantEvents(t, w, "PUT a/1=1")
		wantEvents(t, w, "PUT a/1=2", "DELETE a/1")
		resumed := prefix("a/")
		resumed.ResumeToken = token
		wantEvents(t, watch(t, kv, resumed), "PUT a/1=2", "DELETE a/1")
	})
}

func TestAWatchOfOneKeyIgnoresOthers(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		w := watch(t, kv, key("a"))
		wantEvents(t, w, "SYNC")
		mustSet(t, kv, text("ab", "x"))
		mustSet(t, kv, text("a", "1"))
		wantEvents(t, w, "PUT a=1")
	})
}

func TestASnapshotComesBeforeTheChanges(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		for i := range 3 {
			mustSet(t, kv, text(fmt.Sprint("a/", i), "x"))
		}
		req := prefix("a/")
		req.Snapshot = true
		w := watch(t, kv, req)
		token := wantEvents(t, w, "PUT a/0=x", "PUT a/1=x", "PUT a/2=x", "SYNC")
		if token == "" {
			t.Error("the end of a snapshot has no resume token")
		}
		mustSet(t, kv, text("a/1", "y"))
		wantEvents(t, w, "PUT a/1=y")
	})
}

func TestInvalidWatchesAreRejected(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		both, forged := prefix(""), prefix("")
		both.Snapshot, both.ResumeToken = true, "x"
		forged.ResumeToken = "not-a-token!"
		for name, test := range map[string]struct {
			req  *keyvaluev1.WatchRequest
			want contract.Reason
		}{
			"nothing to watch":         {&keyvaluev1.WatchRequest{}, contract.RequestInvalid},
			"an empty key":             {key(""), contract.KeyInvalid},
			"a prefix that no key has": {prefix("\x00"), contract.KeyInvalid},
			"a snapshot and a token":   {both, contract.RequestInvalid},
			"a forged token":           {forged, contract.RequestInvalid},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := watch(t, kv, test.req).Receive()
				wantReason(t, "Watch", err, test.want)
			})
		}
	})
}

func TestAWatchEndsWhenTheServiceStops(t *testing.T) {
	t.Parallel()
	for _, wire := range wiretest.Wires() {
		t.Run(wire.Name, func(t *testing.T) {
			t.Parallel()
			stopping, stop := context.WithCancel(context.Background())
			defer stop()
			kv := wire.Dial(t, serveEngine(t, newEngine(t), kvservice.Config{Stopping: stopping}))
			w := watch(t, kv, prefix(""))
			wantEvents(t, w, "SYNC")
			stop()
			_, err := w.Receive()
			wantReason(t, "Receive", err, contract.ServiceUnavailable)
		})
	}
}

func TestStatsCountWhatHappened(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("a", "1"))
		mustGet(t, kv, "a")
		_, _ = kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "nope"})
		wantEvents(t, watch(t, kv, prefix("")), "SYNC")
		stats, err := kv.GetStats(t.Context(), &keyvaluev1.GetStatsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if stats.GetKeys() != 1 || stats.GetHits() != 1 || stats.GetMisses() != 1 || stats.GetWatchers() != 1 ||
			stats.GetMemoryBytes() <= 0 || !stats.GetGuarantees().GetLinearizable() {
			t.Errorf("stats = %v", stats)
		}
	})
}
