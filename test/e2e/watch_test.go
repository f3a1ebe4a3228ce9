package e2e_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// watch is a Watch over gRPC.
type watch struct{ res *http.Response }

func openWatch(t *testing.T, base, message string) watch {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+service+"Watch", bytes.NewReader(frame(message)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc+json")
	req.Header.Set("Te", "trailers")
	req.Header.Set("X-Api-Key", apiKey)
	res, err := http2.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return watch{res}
}

// next returns the type and the key of the next event, or false at the end.
func (w watch) next(t *testing.T) (string, bool) {
	t.Helper()
	prefix := make([]byte, 5)
	if _, err := io.ReadFull(w.res.Body, prefix); err != nil {
		return "", false
	}
	message := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	if _, err := io.ReadFull(w.res.Body, message); err != nil {
		t.Fatal(err)
	}
	var m struct {
		Event struct {
			Type  string
			Entry struct{ Key string }
		}
	}
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	return m.Event.Type + " " + m.Event.Entry.Key, true
}

func TestAStoppingServerEndsItsWatches(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			d := d.start(t)
			call := func(method, message string) {
				if got := callConnect(t, d.url, method, apiKey, message); got.code != "ok" {
					t.Fatalf("%s = %s", method, got.verdict())
				}
			}
			call("Set", `{"key":"a","value":"1"}`)
			w := openWatch(t, d.url, `{"prefix":"","snapshot":true}`)
			expectEvents(t, w, "TYPE_PUT a", "TYPE_SYNC ")
			call("Set", `{"key":"b","value":"2"}`)
			call("Delete", `{"key":"a"}`)
			expectEvents(t, w, "TYPE_PUT b", "TYPE_DELETE a")

			if code := d.gateway.stop(t); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			if event, ok := w.next(t); ok {
				t.Errorf("an event after the end: %s", event)
			}
			if got := verdictOf(t, w.res.Trailer).verdict(); got != "unavailable SERVICE_UNAVAILABLE" {
				t.Errorf("the watch ended with %s, want unavailable SERVICE_UNAVAILABLE", got)
			}
		})
	}
}

func expectEvents(t *testing.T, w watch, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if got, ok := w.next(t); !ok || got != want {
			t.Fatalf("event %q, %v; want %q", got, ok, want)
		}
	}
}

func TestAWatchThatCannotResumeReportsIt(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			base := d.start(t).url
			for _, test := range []struct{ message, want string }{
				{`{"prefix":"","resumeToken":"1y2p0ij32e8e7-1-c8f2a06d"}`, "out_of_range RESUME_TOO_OLD"}, // of another epoch
				{`{"prefix":"","resumeToken":"forged"}`, "invalid_argument REQUEST_INVALID"},
				{`{}`, "invalid_argument REQUEST_INVALID"},
			} {
				w := openWatch(t, base, test.message)
				if event, ok := w.next(t); ok {
					t.Errorf("Watch(%s) has an event: %s", test.message, event)
				}
				trailer := w.res.Trailer
				if len(trailer) == 0 { // a response without a message has its trailers in the header
					trailer = w.res.Header
				}
				if got := verdictOf(t, trailer).verdict(); got != test.want {
					t.Errorf("Watch(%s) = %s, want %s", test.message, got, test.want)
				}
			}
		})
	}
}
