package rest_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// eventSource reads a stream like the EventSource of a browser (WHATWG HTML, section 9.2.6).
type eventSource struct {
	*http.Response
	lines    *bufio.Reader
	cancel   context.CancelFunc
	lastID   string
	retry    string
	comments int
}

type event struct{ id, name, data string }

// listen opens a stream, which ends with the test. Header alternates names and values.
func listen(t testing.TB, c *http.Client, url string, header ...string) *eventSource {
	t.Helper()
	s, err := subscribe(t.Context(), c, url, header...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if s.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(s.Body)
		t.Fatalf("GET %s = %d %s, want a stream", url, s.StatusCode, body)
	}
	return s
}

func subscribe(ctx context.Context, c *http.Client, url string, header ...string) (*eventSource, error) {
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	return &eventSource{
		Response: res, lines: bufio.NewReader(res.Body), cancel: cancel, lastID: req.Header.Get("Last-Event-ID"),
	}, nil
}

func (s *eventSource) close() {
	s.cancel()
	_ = s.Body.Close()
}

// next returns the next event. An incomplete event is dropped, together with its id.
func (s *eventSource) next() (event, error) {
	e, id, data := event{name: "message"}, s.lastID, []string(nil)
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return event{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			s.lastID = id
			if data != nil {
				e.id, e.data = id, strings.Join(data, "\n")
				return e, nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			s.comments++
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		case "id":
			id = value
		case "retry":
			s.retry = value
		}
	}
}

// want reads the wanted events, each given as its name and masked data, and returns the last one.
func (s *eventSource) want(t testing.TB, events ...string) (last event) {
	t.Helper()
	for _, want := range events {
		e, err := s.next()
		if err != nil {
			t.Fatalf("the stream ends with %v, want %s", err, want)
		}
		if got := e.name + " " + masked(e.data); got != want {
			t.Fatalf("event %s, want %s", got, want)
		}
		last = e
	}
	return last
}

// wantEnd expects an error event and then the end of the stream.
func (s *eventSource) wantEnd(t *testing.T, status int, why string) {
	t.Helper()
	e, err := s.next()
	if err != nil || e.name != "error" {
		t.Fatalf("event %+v, %v; want an error", e, err)
	}
	if p := parseProblem(t, e.data); p.Status != status || p.Reason != why || p.Detail == "" {
		t.Errorf("error %s, want status %d and reason %s", e.data, status, why)
	}
	if e, err := s.next(); err != io.EOF {
		t.Errorf("event %+v, %v after the error; want the end", e, err)
	}
}
