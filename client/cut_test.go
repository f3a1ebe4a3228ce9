package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/client"
	"key-value/internal/reason"
	"key-value/internal/serve"
	"key-value/internal/wiretest"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
)

func TestWhatCutsAWatchAndWhatEndsIt(t *testing.T) {
	for _, test := range []struct {
		why  error
		want error // what the watch ends with; nil: it resumes
	}{
		{reason.ServiceUnavailable.Errorf("x"), nil},
		{reason.Overloaded.Errorf("x"), nil},
		{reason.RateLimited.Errorf("x"), nil},
		{reason.DeadlineExceeded.Errorf("x"), nil},
		{connect.NewError(connect.CodeUnavailable, "x"), nil},
		{connect.NewError(connect.CodeCanceled, "x"), nil},
		{reason.RequestInvalid.Errorf("x"), client.ErrInvalid},
		{reason.KeyInvalid.Errorf("x"), client.ErrInvalid},
		{reason.APIKeyInvalid.Errorf("x"), client.ErrUnauthenticated},
		{reason.PermissionDenied.Errorf("x"), client.ErrPermissionDenied},
		{reason.ResumeTooOld.Errorf("x"), client.ErrResumeTooOld},
		{connect.NewError(connect.CodeUnauthenticated, "x"), client.ErrUnauthenticated},
		{connect.NewError(connect.CodeInvalidArgument, "x"), client.ErrInvalid},
	} {
		t.Run(test.why.Error()+string(reason.Of(test.why)), func(t *testing.T) {
			kv, _ := script(t, part{messages(synced("1")), test.why}, part{messages(put("a", "2")), nil})
			r := watch(t, kv.Watch(t.Context(), ""))
			r.want(t, "sync")
			if test.want == nil {
				r.want(t, "put a=")
				return
			}
			r.wantError(t, test.want)
		})
	}
}

// badly answers a watch with body, and breaks it off if cut is set.
func badly(status int, body string, cut bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/connect+proto")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		if cut {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

func TestHowAStreamCanBreak(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    connect.Code // what the watch ends with; 0: it resumes
	}{
		{"it ends between messages", badly(200, "", false), 0},
		{"it is cut between messages", badly(200, "", true), 0},
		{"it ends within a message's head", badly(200, "\x00\x00\x00", false), 0},
		{"it is cut within a message's head", badly(200, "\x00\x00\x00", true), 0},
		{"it ends within a message", badly(200, "\x00\x00\x00\x00\x09abc", false), 0},
		{"it is cut within a message", badly(200, "\x00\x00\x00\x00\x09abc", true), 0},
		{"a message is none", badly(200, "\x00\x00\x00\x00\x02\xff\xff", false), 0},
		{"it ends as if all were said", badly(200, "\x02\x00\x00\x00\x02{}", false), 0},
		{"a proxy finds no service", badly(503, "", false), 0},
		{"a proxy waits in vain", badly(504, "", false), 0},
		{"a proxy asks for a password", badly(401, "", false), connect.CodeUnauthenticated},
		{"a proxy refuses", badly(403, "", false), connect.CodePermissionDenied},
		{"nothing is there", badly(404, "", false), connect.CodeUnimplemented},
	} {
		t.Run(test.name, func(t *testing.T) {
			var once sync.Once
			good := handle(kvservice.New(newEngine(t), kvservice.Config{}), nil)
			kv := dial(t, wiretest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler := http.Handler(good)
				once.Do(func() { handler = test.handler })
				handler.ServeHTTP(w, r)
			})))
			r := watch(t, kv.Watch(t.Context(), ""))
			if test.want == 0 {
				r.want(t, "sync")
				return
			}
			err := r.end(t)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != test.want {
				t.Errorf("the watch ended with %v, want code %v", err, test.want)
			}
		})
	}
}

// change is one change as the engine's history has it, or as a watch told it.
type change struct {
	text     string
	revision uint64
}

func revisionOf(t *testing.T, token string) uint64 {
	t.Helper()
	version, ok := store.ParseVersion(token)
	if !ok {
		t.Fatalf("%q is no resume token", token)
	}
	return version.Revision
}

// record reads the engine's own history, which no network comes between, up to the key "end".
func record(t *testing.T, watcher store.Watcher) []change {
	var history []change
	for {
		e, err := watcher.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := "delete " + e.Entry.Key
		switch e.Type {
		case store.Sync:
			continue
		case store.Put:
			text = fmt.Sprintf("put %s=%s", e.Entry.Key, e.Entry.Value)
		}
		history = append(history, change{text, revisionOf(t, e.Token)})
		if e.Entry.Key == "end" {
			return history
		}
	}
}

// write makes n random changes from each of some goroutines, each to keys of its own, and then sets "end". It
// returns what each goroutine did, as it was acknowledged.
func write(t *testing.T, kv *client.Client, seed uint64, n int) [][]string {
	done := make([][]string, 3)
	var writers sync.WaitGroup
	for i := range done {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for step := range n {
				key := fmt.Sprintf("%d/%d", i, random.IntN(20))
				if random.IntN(4) == 0 {
					deleted, err := kv.Delete(t.Context(), key)
					if err != nil {
						t.Errorf("Delete = %v", err)
					}
					if deleted {
						done[i] = append(done[i], "delete "+key)
					}
					continue
				}
				if _, _, err := kv.Set(t.Context(), key, fmt.Append(nil, step)); err != nil {
					t.Errorf("Set = %v", err)
				}
				done[i] = append(done[i], fmt.Sprintf("put %s=%d", key, step))
			}
		})
	}
	writers.Wait()
	mustSet(t, kv, "end", "")
	return done
}

// newSeed returns a seed that is printed if the test fails.
func newSeed(t *testing.T) uint64 {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed: %d", seed)
		}
	})
	return seed
}

// randomCuts draws after how many bytes to cut a connection.
func randomCuts(seed uint64) func(most int64) int64 {
	random := rand.New(rand.NewPCG(seed, 1<<32))
	return func(most int64) int64 { return 200 + random.Int64N(most) }
}

func wantChanges(t *testing.T, got, want []change) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w change
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("change %d of %d: the watch told %q of revision %d, the history has %q of revision %d",
				i, len(want), g.text, g.revision, w.text, w.revision)
		}
	}
}

func TestAWatchThatIsCutTellsEachChangeOnceAndInOrder(t *testing.T) {
	seed, engine := newSeed(t), newEngine(t)
	recorder, err := engine.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	url := serveEngine(t, engine)
	cuts := randomCuts(seed)
	p := newProxy(t, url, func() int64 { return cuts(2_000) })

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var done [][]string
	var writers sync.WaitGroup
	defer writers.Wait()
	var told []change
	for event, err := range dial(t, p.URL).Watch(ctx, "") {
		if err != nil {
			t.Fatalf("the watch ended with %v after %d events", err, len(told))
		}
		if event.Type == client.EventSync {
			writers.Go(func() { done = write(t, dial(t, url), seed, 200) })
			continue
		}
		told = append(told, change{describe(event), revisionOf(t, event.ResumeToken)})
		if event.Entry.Key == "end" {
			break
		}
	}
	writers.Wait()
	wantChanges(t, told, record(t, recorder))
	for i, want := range done {
		if got := of(i, told); !slices.Equal(got, want) {
			t.Errorf("writer %d was told of %d changes, and made %d", i, len(got), len(want))
		}
	}
	if n := p.count(); n < 10 {
		t.Errorf("the watch was cut %d times, which proves little", n)
	}
}

// of returns the changes to the keys of one writer.
func of(writer int, changes []change) []string {
	var own []string
	for _, c := range changes {
		for _, kind := range []string{"put", "delete"} {
			if prefix := fmt.Sprintf("%s %d/", kind, writer); len(c.text) > len(prefix) && c.text[:len(prefix)] == prefix {
				own = append(own, c.text)
			}
		}
	}
	return own
}

func TestASnapshotAndItsEventsMissNothingAcrossCuts(t *testing.T) {
	seed, engine := newSeed(t), newEngine(t)
	recorder, err := engine.Watch(t.Context(), store.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	url := serveEngine(t, engine)
	direct := dial(t, url)
	for i := range 100 {
		mustSet(t, direct, fmt.Sprintf("still/%03d", i), string(make([]byte, 100)))
	}
	cuts := randomCuts(seed)
	most := int64(2_000) // a snapshot takes ten times as much, and comes through in the end
	p := newProxy(t, url, func() int64 {
		most = min(2*most, 64_000)
		return cuts(most)
	})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var writers sync.WaitGroup
	defer writers.Wait()
	writers.Go(func() { write(t, direct, seed, 300) })
	copied := map[string]string{}
	var synced uint64  // the revision of the latest snapshot
	var after []change // what was told since
	for event, err := range dial(t, p.URL).Watch(ctx, "", client.FromSnapshot(), client.StartOver()) {
		if err != nil {
			t.Fatalf("the watch ended with %v", err)
		}
		switch event.Type {
		case client.EventReset:
			clear(copied)
		case client.EventSync:
			synced, after = revisionOf(t, event.ResumeToken), nil
		case client.EventPut:
			copied[event.Entry.Key] = string(event.Entry.Value)
		default:
			delete(copied, event.Entry.Key)
		}
		if event.Entry.Key != "" && event.ResumeToken != "" {
			after = append(after, change{describe(event), revisionOf(t, event.ResumeToken)})
		}
		if _, ended := copied["end"]; ended && event.ResumeToken != "" {
			break
		}
	}
	writers.Wait()
	history := record(t, recorder)
	wantChanges(t, after, slices.DeleteFunc(history, func(c change) bool { return c.revision <= synced }))
	n := 0
	for entry, err := range direct.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; copied[entry.Key] != string(entry.Value) {
			t.Errorf("the copy has %s=%q, the store %q", entry.Key, copied[entry.Key], entry.Value)
		}
	}
	if n != len(copied) {
		t.Errorf("the copy has %d entries, the store %d", len(copied), n)
	}
	if p.count() < 2 {
		t.Errorf("the watch was cut %d times, which proves little", p.count())
	}
}

func TestAWatchOutlivesAServiceThatStopsAndComesBack(t *testing.T) {
	engine := newEngine(t)
	first, stop := runService(t, engine)
	p := newProxy(t, first, unlimited)
	var cuts atomic.Pointer[client.Error] // the first one
	r := watch(t, dial(t, p.URL).Watch(t.Context(), "", client.OnCut(func(err error) {
		cuts.CompareAndSwap(nil, err.(*client.Error))
	})))
	r.want(t, "sync")
	set(t, engine, "a", "before")
	r.want(t, "put a=before")
	stop() // waits for the drain, which only ends when the watch does
	set(t, engine, "a", "meanwhile")
	second, _ := runService(t, engine)
	p.point(second)
	r.want(t, "put a=meanwhile")
	set(t, engine, "a", "after")
	r.want(t, "put a=after")
	if cut := cuts.Load(); cut == nil || cut.Reason != string(reason.ServiceUnavailable) {
		t.Errorf("the watch was first cut by %v, want what the service said when it stopped", cut)
	}
}

func TestARestartWithoutHistoryIsToldOf(t *testing.T) {
	for name, opts := range map[string][]client.WatchOption{"ends": nil, "starts over": {client.StartOver()}} {
		t.Run(name, func(t *testing.T) {
			before, after := newEngine(t), newEngine(t)
			set(t, before, "a", "1")
			set(t, before, "b", "1")
			set(t, after, "b", "2")
			p := newProxy(t, serveEngine(t, before), unlimited)
			r := watch(t, dial(t, p.URL).Watch(t.Context(), "", append(opts, client.FromSnapshot())...))
			r.want(t, "put a=1", "put b=1", "sync")
			p.point(serveEngine(t, after))
			if len(opts) == 0 {
				r.wantError(t, client.ErrResumeTooOld)
				return
			}
			r.want(t, "reset", "put b=2", "sync")
			set(t, after, "b", "3")
			r.want(t, "put b=3")
		})
	}
}

func TestAReaderWhoIsTooSlowIsTold(t *testing.T) {
	engine := memory.New(memory.Options{HistoryBytes: 10_000})
	t.Cleanup(func() { _ = engine.Close() })
	r := watch(t, dial(t, serveEngine(t, engine)).Watch(t.Context(), ""))
	r.want(t, "sync")
	large := string(make([]byte, 1<<20))
	for i := range 100 { // more than what the buffers on the way hold
		set(t, engine, fmt.Sprint(i), large)
	}
	for i := 0; ; i++ {
		event, err, _ := r.next()
		if err != nil {
			wantError(t, "the watch", err, client.ErrResumeTooOld)
			return
		}
		if event.Entry.Key != fmt.Sprint(i) {
			t.Fatalf("event %d is of key %s: a gap", i, event.Entry.Key)
		}
	}
}

// set writes straight into an engine.
func set(t *testing.T, engine store.Engine, key, value string) {
	t.Helper()
	_, err := engine.Do(t.Context(), store.Operation{Kind: store.Set, Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
}

// runService serves engine as the program does. Stop waits for a clean stop.
func runService(t *testing.T, engine store.Engine) (url string, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	state, started, done := serve.NewState(), make(chan string, 1), make(chan error, 1)
	service := kvservice.New(engine, kvservice.Config{Stopping: state.Stopping()})
	go func() {
		done <- serve.Run(ctx, serve.Config{
			Listen: "127.0.0.1:0", Handler: handle(service, nil), State: state, Drain: patience,
			Started: func(addr string) { started <- addr }, Log: slog.New(slog.DiscardHandler),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the service stopped with %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case addr := <-started:
		return "http://" + addr, stop
	case <-time.After(patience):
		t.Fatal("the service does not start")
		return "", stop
	}
}
