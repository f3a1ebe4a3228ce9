package rest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"key-value/gateway/rest"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// line reads one line of the stream, and returns when it came.
func (s *eventSource) line(t *testing.T, since time.Time) (string, time.Duration) {
	t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line, time.Since(since)
}

func TestHeartbeatComesOnlyWhenNothingElseDoes(t *testing.T) {
	t.Parallel()
	inBubble(t, with(rest.Config{}), func(t *testing.T, c *http.Client, kv client) {
		s := listen(t, c, bubbleURL+":watch?prefix=a")
		s.want(t, synced)
		begin := time.Now()
		wantHeartbeat := func(at time.Duration) {
			t.Helper()
			for _, want := range []string{":\n", "\n"} {
				if line, when := s.line(t, begin); line != want || when != at {
					t.Fatalf("line %q after %v, want a comment after %v", line, when, at)
				}
			}
		}
		wantHeartbeat(15 * time.Second)
		wantHeartbeat(30 * time.Second)
		time.Sleep(10 * time.Second) // of fake time
		mustSet(t, kv, valueOf("a", "1"))
		s.want(t, put("a", "1"))
		wantHeartbeat(55 * time.Second)
	})
}

func TestWatchThatResumesIsOpenAtOnceOrAfterASecond(t *testing.T) {
	t.Parallel()
	inBubble(t, with(rest.Config{}), func(t *testing.T, c *http.Client, kv client) {
		s := listen(t, c, bubbleURL+":watch?prefix=a")
		token := s.want(t, synced).id
		begin := time.Now()
		quiet := listen(t, c, bubbleURL+":watch?prefix=a", "Last-Event-ID", token)
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("a watch with nothing to say opens after %v, want 1s", waited)
		}
		mustSet(t, kv, valueOf("a", "1"))
		begin = time.Now()
		quiet.want(t, put("a", "1"))
		listen(t, c, bubbleURL+":watch?prefix=a", "Last-Event-ID", token).want(t, put("a", "1"))
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("events come after %v, want them at once", waited)
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
