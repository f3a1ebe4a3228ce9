package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"key-value/client"
	"key-value/client/clienttest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

// reader reads the events of a watch one by one.
type reader struct {
	next  func() (client.Event, error, bool)
	token string // of the latest event that had one
}

// watch reads from events until the test ends.
func watch(t *testing.T, events iter.Seq2[client.Event, error]) *reader {
	next, stop := iter.Pull2(events)
	t.Cleanup(stop)
	return &reader{next: next}
}

// want checks that the next events are these, as "put key=value", "delete key" or "sync".
func (r *reader) want(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		event, err, ok := r.next()
		if err != nil || !ok {
			t.Fatalf("the watch ended with %v, want %q", err, w)
		}
		if got := describe(event); got != w {
			t.Fatalf("event %q, want %q", got, w)
		}
		if event.ResumeToken != "" {
			r.token = event.ResumeToken
		}
	}
}

// end returns the error that comes next, and checks that nothing follows it.
func (r *reader) end(t *testing.T) error {
	t.Helper()
	event, err, _ := r.next()
	if err == nil {
		t.Fatalf("event %q, want an error", describe(event))
	}
	if _, _, ok := r.next(); ok {
		t.Errorf("the watch goes on after %v", err)
	}
	return err
}

func (r *reader) wantError(t *testing.T, want error) *client.Error {
	t.Helper()
	return wantError(t, "the end of the watch", r.end(t), want)
}

func describe(e client.Event) string {
	switch e.Type {
	case client.EventSync, client.EventReset:
		return string(e.Type)
	case client.EventPut:
		return fmt.Sprintf("put %s=%s", e.Entry.Key, e.Entry.Value)
	default:
		return fmt.Sprintf("%s %s", e.Type, e.Entry.Key)
	}
}

func TestAWatchReportsChanges(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "a/0", "before")
	r := watch(t, kv.Watch(bounded(t), "a/"))
	r.want(t, "sync")
	written := mustSet(t, kv, "a/1", "\xff", client.TTL(time.Hour))
	event, err, _ := r.next()
	if err != nil || event.Entry.ETag != written.ETag || !event.Entry.ExpireTime.Equal(written.ExpireTime) ||
		string(event.Entry.Value) != "\xff" || event.ResumeToken == "" {
		t.Errorf("event %+v, %v; want the whole entry %+v", event, err, written)
	}
	touched, err := kv.Touch(t.Context(), "a/1")
	if err != nil {
		t.Fatal(err)
	}
	event, err, _ = r.next()
	if err != nil || event.Type != client.EventTouch || event.Entry.Value != nil || event.Entry.ETag != touched.ETag || !event.Entry.ExpireTime.IsZero() || event.Revision != touched.Revision {
		t.Errorf("event %+v, %v; want a touch with the entry %+v", event, err, touched)
	}
	mustSet(t, kv, "b", "elsewhere")
	if _, err := kv.Delete(t.Context(), "a/1"); err != nil {
		t.Fatal(err)
	}
	event, err, _ = r.next()
	if want := (client.Entry{Key: "a/1"}); err != nil || event.Type != client.EventDelete || event.Entry.Key != want.Key ||
		event.Entry.Value != nil || !event.Entry.UpdateTime.IsZero() {
		t.Errorf("event %+v, %v; want a delete with only the key", event, err)
	}
}

func TestAWatchOfOneKeyReportsNoOther(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "a", "0")
	r := watch(t, kv.WatchKey(bounded(t), "a", client.FromSnapshot()))
	r.want(t, "put a=0", "sync")
	mustSet(t, kv, "ab", "x")
	mustSet(t, kv, "a", "1")
	r.want(t, "put a=1")
}

func TestAWatchResumesFromAToken(t *testing.T) {
	t.Parallel()
	kv := start(t)
	r := watch(t, kv.Watch(bounded(t), ""))
	r.want(t, "sync")
	for i := range 3 {
		mustSet(t, kv, "a", fmt.Sprint(i))
	}
	r.want(t, "put a=0")
	resumed := watch(t, kv.Watch(bounded(t), "", client.ResumeFrom(r.token), client.FromSnapshot()))
	resumed.want(t, "put a=1", "put a=2")
	watch(t, kv.Watch(bounded(t), "", client.ResumeFrom(""))).want(t, "sync")
	watch(t, kv.Watch(bounded(t), "", client.ResumeFrom("forged!"))).wantError(t, client.ErrInvalid)
}

func TestLeavingTheLoopClosesTheWatch(t *testing.T) {
	t.Parallel()
	kv := start(t)
	for range kv.Watch(bounded(t), "") {
		break
	}
	eventually(t, "no open watches", func() bool {
		s, err := kv.Stats(t.Context())
		return err == nil && s.Watchers == 0
	})
}

// eventually waits until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	kv := start(t)
	t.Run("when it is canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := watch(t, kv.Watch(ctx, ""))
		r.want(t, "sync")
		cancel()
		if e := r.wantError(t, context.Canceled); errors.Is(e, client.ErrUnavailable) {
			t.Errorf("the watch ended with %v, want no word of the service", e)
		}
	})
	t.Run("at its deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r := watch(t, clienttest.New(t).Client.Watch(ctx, "", client.OnCut(func(err error) { t.Errorf("the watch was cut: %v", err) })))
			r.want(t, "sync")
			if e := r.wantError(t, context.DeadlineExceeded); errors.Is(e, client.ErrUnavailable) {
				t.Errorf("the watch ended with %v, want no word of the service", e)
			}
		})
	})
	t.Run("before it starts", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		watch(t, kv.Watch(ctx, "")).wantError(t, context.Canceled)
	})
	t.Run("while the service is unreachable", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		unreachable := dial(t, closedPort(t))
		e := watch(t, unreachable.Watch(ctx, "", client.OnCut(func(error) { cancel() }))).wantError(t, context.Canceled)
		if !errors.Is(e, client.ErrUnavailable) {
			t.Errorf("the watch ended with %v, want ErrUnavailable too", e)
		}
	})
}

// scripted is a service whose watches each play one part of a script, and record their requests.
type scripted struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
	parts    chan part
	requests chan *keyvaluev1.WatchRequest
}

// part is the contents of one stream.
type part struct {
	messages []*keyvaluev1.WatchResponse
	end      error // nil: the stream stays open
}

func (s *scripted) Watch(
	ctx context.Context, req *keyvaluev1.WatchRequest, stream keyvaluev1connect.KeyValueServiceWatchServerStream,
) error {
	s.requests <- req
	part := <-s.parts
	for _, message := range part.messages {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	if part.end == nil {
		<-ctx.Done()
	}
	return part.end
}

// script returns a client of a service that plays parts, one for each stream.
func script(t *testing.T, parts ...part) (*client.Client, *scripted) {
	s := &scripted{parts: make(chan part, len(parts)), requests: make(chan *keyvaluev1.WatchRequest, len(parts)+1)}
	for _, p := range parts {
		s.parts <- p
	}
	close(s.parts)
	return dial(t, serve(t, s, nil)), s
}

func put(key, token string) *keyvaluev1.WatchResponse {
	return &keyvaluev1.WatchResponse{ResumeToken: token, Event: &keyvaluev1.Event{
		Type:  keyvaluev1.Event_TYPE_PUT,
		Entry: &keyvaluev1.Entry{Key: key, Content: &keyvaluev1.Entry_Value{}},
	}}
}

func synced(token string) *keyvaluev1.WatchResponse {
	return &keyvaluev1.WatchResponse{ResumeToken: token, Event: &keyvaluev1.Event{Type: keyvaluev1.Event_TYPE_SYNC}}
}

func messages(m ...*keyvaluev1.WatchResponse) []*keyvaluev1.WatchResponse { return m }

var (
	errStopping = contract.ServiceUnavailable.Errorf("stopping")
	errTooOld   = contract.ResumeTooOld.Errorf("too old")
)

func TestASnapshotThatIsCutStartsOver(t *testing.T) {
	t.Parallel()
	kv, s := script(t,
		part{nil, errStopping}, // no event was reported, so no reset is needed
		part{messages(put("a", ""), put("b", "")), errStopping},
		part{nil, errStopping},
		part{messages(put("a", ""), put("c", ""), synced("1"), put("d", "2")), errStopping},
		part{messages(put("e", "3")), nil},
	)
	r := watch(t, kv.Watch(bounded(t), "", client.FromSnapshot()))
	r.want(t, "put a=", "put b=", "reset", "put a=", "put c=", "sync", "put d=", "put e=")
	for i, token := range []string{"", "", "", "", "2"} {
		if req := <-s.requests; req.GetResumeToken() != token || req.GetSnapshot() != (token == "") {
			t.Errorf("stream %d was requested with %v, want token %q, or a snapshot if that is empty", i, req, token)
		}
	}
}

func TestAWatchThatCannotResume(t *testing.T) {
	t.Parallel()
	t.Run("ends", func(t *testing.T) {
		kv, _ := script(t, part{messages(synced("1")), errStopping}, part{nil, errTooOld})
		r := watch(t, kv.Watch(bounded(t), "", client.FromSnapshot()))
		r.want(t, "sync")
		r.wantError(t, client.ErrResumeTooOld)
	})
	t.Run("starts over with StartOver", func(t *testing.T) {
		kv, s := script(t,
			part{messages(synced("1"), put("a", "2")), errTooOld},
			part{nil, errStopping},
			part{messages(put("b", "")), errStopping},
			part{messages(put("c", ""), synced("3")), errStopping},
			part{messages(put("d", "4")), nil},
		)
		r := watch(t, kv.Watch(bounded(t), "", client.StartOver()))
		r.want(t, "sync", "put a=", "reset", "put b=", "reset", "put c=", "sync", "put d=")
		for i, want := range []bool{false, true, true, true, false} {
			if req := <-s.requests; req.GetSnapshot() != want {
				t.Errorf("stream %d was requested with %v, want snapshot: %v", i, req, want)
			}
		}
	})
	t.Run("starts over from another program's token", func(t *testing.T) {
		kv, _ := script(t, part{nil, errTooOld}, part{messages(put("b", ""), synced("3")), nil})
		r := watch(t, kv.Watch(bounded(t), "", client.ResumeFrom("1"), client.StartOver()))
		r.want(t, "reset", "put b=", "sync")
	})
}

func TestEachIterationOpensANewWatch(t *testing.T) {
	t.Parallel()
	kv, s := script(t, part{messages(synced("1")), nil}, part{messages(synced("2")), nil})
	events := kv.Watch(bounded(t), "")
	for range 2 {
		for event, err := range events {
			if err != nil || event.Type != client.EventSync {
				t.Fatalf("event %v, %v; want sync", event, err)
			}
			break
		}
		if req := <-s.requests; req.GetResumeToken() != "" {
			t.Errorf("the watch started with token %q, want none", req.GetResumeToken())
		}
	}
}
