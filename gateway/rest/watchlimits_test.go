package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
)

// scripted is a service whose watches are defined by the test.
type scripted struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
	watch func(context.Context, keyvaluev1connect.KeyValueServiceWatchServerStream) error
}

func (s scripted) Watch(
	ctx context.Context, _ *keyvaluev1.WatchRequest, out keyvaluev1connect.KeyValueServiceWatchServerStream,
) error {
	return s.watch(ctx, out)
}

// sends returns a watch that sends events and then ends with err.
func sends(err error, types ...keyvaluev1.Event_Type) client {
	return clientOf(scripted{watch: func(_ context.Context, out keyvaluev1connect.KeyValueServiceWatchServerStream) error {
		for i, typ := range types {
			event := &keyvaluev1.Event{Type: typ, Entry: &keyvaluev1.Entry{Key: "k"}}
			if err := out.Send(&keyvaluev1.WatchResponse{Event: event, ResumeToken: fmt.Sprint("t", i)}); err != nil {
				return err
			}
		}
		return err
	}})
}

func TestWatchThatEnds(t *testing.T) {
	t.Parallel()
	const (
		syncType  = keyvaluev1.Event_TYPE_SYNC
		evictType = keyvaluev1.Event_TYPE_EVICT
		newType   = keyvaluev1.Event_Type(99)
	)
	rows := []struct {
		name   string
		kv     client
		events []string
		status int
		reason string
	}{
		{"the reader was too slow", sends(contract.ResumeTooOld.Errorf("x"), syncType), []string{"sync {}"}, 410, "RESUME_TOO_OLD"},
		{"the service stops", sends(contract.ServiceUnavailable.Errorf("x"), syncType), []string{"sync {}"}, 503, "SERVICE_UNAVAILABLE"},
		{"the service ends the stream", sends(nil, syncType), []string{"sync {}"}, 503, "SERVICE_UNAVAILABLE"},
		{"after several events", sends(nil, syncType, evictType), []string{"sync {}", `evict {"key":"k"}`}, 503, "SERVICE_UNAVAILABLE"},
		{"an event of an unknown type", sends(nil, syncType, newType), []string{"sync {}"}, 503, "SERVICE_UNAVAILABLE"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, http1(t), wiretest.Serve(t, rest.New(row.kv, rest.Config{}))+"/v1/values:watch?prefix=")
			s.want(t, row.events...)
			s.wantEnd(t, row.status, row.reason)
		})
	}
}

// A watch that fails before its first event fails with a status.
func TestWatchThatFailsToOpen(t *testing.T) {
	t.Parallel()
	e := exchange{request: "GET /v1/values:watch?prefix=", status: 503, reason: "SERVICE_UNAVAILABLE"}
	e.check(t, send(t, start(t, sends(nil), rest.Config{}), e))
}

func TestWatchEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(testing.TB) *http.Client{"HTTP/1.1": http1, "HTTP/2": wiretest.HTTPClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopping, stop := context.WithCancel(context.Background())
			defer stop()
			url := wiretest.Serve(t, rest.New(newService(t), rest.Config{Stopping: stopping})) + "/v1/values:watch?prefix=a"
			s := listen(t, dial(t), url)
			s.want(t, synced)
			stop()
			s.wantEnd(t, 503, "SERVICE_UNAVAILABLE")
			late, err := subscribe(t.Context(), dial(t), url)
			if err != nil {
				t.Fatal(err)
			}
			defer late.close()
			if late.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a watch that comes late = %d, want 503", late.StatusCode)
			}
		})
	}
}

func TestWatchEndsWhenItsCallerDisconnects(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(testing.TB) *http.Client{"HTTP/1.1": http1, "HTTP/2": wiretest.HTTPClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			kv := clientOf(scripted{watch: func(ctx context.Context, out keyvaluev1connect.KeyValueServiceWatchServerStream) error {
				defer close(gone)
				event := &keyvaluev1.Event{Type: keyvaluev1.Event_TYPE_SYNC}
				if err := out.Send(&keyvaluev1.WatchResponse{Event: event}); err != nil {
					return err
				}
				<-ctx.Done()
				return ctx.Err()
			}})
			s := listen(t, dial(t), wiretest.Serve(t, rest.New(kv, rest.Config{}))+"/v1/values:watch?prefix=")
			s.want(t, "sync {}")
			s.close()
			<-gone
		})
	}
}

// line reads one line of the stream and returns it with its time.
func (s *eventSource) line(t *testing.T, since time.Time) (string, time.Duration) {
	t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line, time.Since(since)
}

func TestIdleWatchHearsASyncEvery15Seconds(t *testing.T) {
	t.Parallel()
	inBubble(t, with(rest.Config{}), func(t *testing.T, c *http.Client, kv client) {
		s := listen(t, c, bubbleURL+":watch?prefix=a")
		token := s.want(t, synced).id
		begin := time.Now()
		for i := range 4 {
			id := s.want(t, synced).id
			if at := time.Since(begin); at != time.Duration(i+1)*15*time.Second || id != token || s.comments != 0 {
				t.Fatalf("sync %s after %v and %d comments, want %s every 15 s and no comment", id, at, s.comments, token)
			}
		}
		mustSet(t, kv, valueOf("a", "1"))
		s.want(t, put("a", "1"))
	})
}

func TestHeartbeatIsSentOnlyWhenTheServiceIsSilent(t *testing.T) {
	t.Parallel()
	silent := func(testing.TB) (client, rest.Config) {
		return clientOf(scripted{watch: func(ctx context.Context, out keyvaluev1connect.KeyValueServiceWatchServerStream) error {
			for _, pause := range []time.Duration{0, 50 * time.Second, time.Hour} { // of fake time
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return ctx.Err()
				}
				event := &keyvaluev1.Event{Type: keyvaluev1.Event_TYPE_SYNC}
				if err := out.Send(&keyvaluev1.WatchResponse{Event: event}); err != nil {
					return err
				}
			}
			return nil
		}}), rest.Config{}
	}
	inBubble(t, silent, func(t *testing.T, c *http.Client, _ client) {
		s := listen(t, c, bubbleURL+":watch?prefix=a")
		s.want(t, "sync {}")
		begin := time.Now()
		wantHeartbeat := func(at time.Duration) {
			t.Helper()
			for _, want := range []string{":\n", "\n"} {
				if line, when := s.line(t, begin); line != want || when != at {
					t.Fatalf("line %q after %v, want a comment after %v", line, when, at)
				}
			}
		}
		wantHeartbeat(20 * time.Second)
		wantHeartbeat(40 * time.Second)
		s.want(t, "sync {}")
		wantHeartbeat(70 * time.Second)
	})
}

// However long the service takes to find out whether a token is good, the status says so.
func TestResumedWatchIsOpenWhenItsFirstEventComes(t *testing.T) {
	t.Parallel()
	inBubble(t, with(rest.Config{}), func(t *testing.T, c *http.Client, kv client) {
		s := listen(t, c, bubbleURL+":watch?prefix=a")
		token := s.want(t, synced).id
		begin := time.Now()
		quiet := listen(t, c, bubbleURL+":watch?prefix=a", "Last-Event-ID", token)
		quiet.want(t, synced)
		mustSet(t, kv, valueOf("a", "1"))
		quiet.want(t, put("a", "1"))
		missed := listen(t, c, bubbleURL+":watch?prefix=a", "Last-Event-ID", token)
		missed.want(t, put("a", "1"))
		missed.want(t, synced)
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("events come after %v, want them at once", waited)
		}
	})
	slow := func(testing.TB) (client, rest.Config) {
		return clientOf(scripted{watch: func(context.Context, keyvaluev1connect.KeyValueServiceWatchServerStream) error {
			time.Sleep(5 * time.Second)
			return contract.ResumeTooOld.Errorf("too old")
		}}), rest.Config{}
	}
	inBubble(t, slow, func(t *testing.T, c *http.Client, _ client) {
		s, err := subscribe(t.Context(), c, bubbleURL+":watch?prefix=a&resumeToken=1")
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if s.StatusCode != http.StatusGone {
			t.Errorf("a watch that cannot be resumed = %d, want 410", s.StatusCode)
		}
	})
}

func TestServiceThatDoesNotOpenAWatchIs504(t *testing.T) {
	t.Parallel()
	hangs := func(testing.TB) (client, rest.Config) {
		kv := clientOf(scripted{watch: func(ctx context.Context, _ keyvaluev1connect.KeyValueServiceWatchServerStream) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		return kv, rest.Config{Timeout: 5 * time.Second}
	}
	inBubble(t, hangs, func(t *testing.T, c *http.Client, _ client) {
		begin := time.Now()
		s, err := subscribe(t.Context(), c, bubbleURL+":watch?prefix=")
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if waited := time.Since(begin); s.StatusCode != http.StatusGatewayTimeout || waited != 5*time.Second {
			t.Errorf("the answer is %d after %v, want 504 after 5s", s.StatusCode, waited)
		}
	})
}
