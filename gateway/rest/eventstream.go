package rest

import (
	"net/http"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

const (
	// flushBytes is how much of what is ready is gathered for one write, in bytes.
	flushBytes = 64 << 10
	// streamStart tells an EventSource to wait 2 s before it connects again.
	streamStart = "retry: 2000\n\n"
	// heartbeat is a comment. It keeps what is in between from closing an idle connection, and finds out
	// whether the caller is still there.
	heartbeat = ":\n\n"
)

// eventNames are the types of events on the stream.
var eventNames = map[keyvaluev1.Event_Type]string{
	keyvaluev1.Event_TYPE_PUT:    "put",
	keyvaluev1.Event_TYPE_DELETE: "delete",
	keyvaluev1.Event_TYPE_EXPIRE: "expire",
	keyvaluev1.Event_TYPE_EVICT:  "evict",
	keyvaluev1.Event_TYPE_SYNC:   "sync",
}

var eventStreamType = []string{"text/event-stream"}

// eventStream writes text/event-stream (WHATWG HTML, section 9.2).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte // what is not yet written
}

func newEventStream(w http.ResponseWriter) *eventStream {
	h := w.Header()
	setCommonHeaders(h)
	h["Content-Type"] = eventStreamType
	h["X-Accel-Buffering"] = []string{"no"} // nginx
	w.WriteHeader(http.StatusOK)
	return &eventStream{w: w, control: http.NewResponseController(w), buffer: []byte(streamStart)}
}

// run writes first, if there is one, and then what f has until f ends or the caller is gone. Each time that
// nothing was written for the time of idle, it writes a heartbeat.
func (s *eventStream) run(f *feed, first *keyvaluev1.WatchResponse, idle time.Duration) {
	if first != nil {
		s.add(first)
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for s.flush() == nil {
		timer.Reset(idle)
		select {
		case event, ok := <-f.events:
			if !ok {
				s.addError(f.err)
				_ = s.flush() // nobody is left to be told
				return
			}
			s.add(event)
			s.addReady(f)
		case <-timer.C:
			s.buffer = append(s.buffer, heartbeat...)
		}
	}
}

// addReady adds the events that are there already, so that one write takes them all.
func (s *eventStream) addReady(f *feed) {
	for len(s.buffer) < flushBytes {
		select {
		case event, ok := <-f.events:
			if !ok {
				return
			}
			s.add(event)
		default:
			return
		}
	}
}

// add adds an event. Without a token it has no id: an EventSource that is cut off then begins again behind the
// last event that had one.
func (s *eventStream) add(res *keyvaluev1.WatchResponse) {
	name, ok := eventNames[res.GetEvent().GetType()]
	if !ok {
		return
	}
	b := s.buffer
	if token := res.GetResumeToken(); token != "" {
		b = append(append(append(b, "id: "...), token...), '\n')
	}
	b = append(append(append(b, "event: "...), name...), "\ndata: "...)
	s.buffer = append(appendEvent(b, res.GetEvent()), "\n\n"...)
}

// appendEvent appends what an event carries. It is JSON, and so has no line break.
func appendEvent(b []byte, event *keyvaluev1.Event) []byte {
	switch event.GetType() {
	case keyvaluev1.Event_TYPE_SYNC:
		return append(b, "{}"...)
	case keyvaluev1.Event_TYPE_PUT:
		return appendEntry(b, event.GetEntry(), withETag|withUpdateTime)
	}
	return append(appendString(append(b, `{"key":`...), event.GetEntry().GetKey()), '}')
}

// addError adds err as the problem that an answer would have been.
func (s *eventStream) addError(err error) {
	b := append(s.buffer, "event: error\ndata: "...)
	s.buffer = append(failureOf(err).Append(b), "\n\n"...)
}

// flush sends what was added, past all buffers.
func (s *eventStream) flush() error {
	_, err := s.w.Write(s.buffer)
	s.buffer = s.buffer[:0]
	if cap(s.buffer) > maxKept {
		s.buffer = nil
	}
	if err != nil {
		return err
	}
	return s.control.Flush()
}
