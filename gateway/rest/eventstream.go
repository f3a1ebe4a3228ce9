package rest

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

const (
	// flushBytes bounds how many bytes of pending events are gathered for one write. The last event may exceed it.
	flushBytes = 64 << 10
	// streamStart tells an EventSource to wait 2 s before it reconnects.
	streamStart = "retry: 2000\n\n"
	// heartbeat is a comment. It keeps proxies from closing an idle connection, and detects callers that have
	// disconnected.
	heartbeat = ":\n\n"
)

// eventNames are the types of events on the stream.
var eventNames = map[keyvaluev1.Event_Type]string{
	keyvaluev1.Event_TYPE_PUT:    "put",
	keyvaluev1.Event_TYPE_DELETE: "delete",
	keyvaluev1.Event_TYPE_EXPIRE: "expire",
	keyvaluev1.Event_TYPE_EVICT:  "evict",
	keyvaluev1.Event_TYPE_SYNC:   "sync",
	keyvaluev1.Event_TYPE_TOUCH:  "touch",
}

var eventStreamType = []string{"text/event-stream"}

// eventStream writes text/event-stream (WHATWG HTML, section 9.2).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	account *admission.Account
	buffer  []byte // events not yet written
	events  int    // in buffer
	large   bool   // whether the last of them is large
	charged int64  // to the account, for what JSON adds to it
}

func newEventStream(w http.ResponseWriter, account *admission.Account) *eventStream {
	h := w.Header()
	setCommonHeaders(h)
	maps.Copy(h, contract.StreamHeaders)
	h["Content-Type"] = eventStreamType
	w.WriteHeader(http.StatusOK)
	return &eventStream{w: w, account: account, control: http.NewResponseController(w), buffer: []byte(streamStart)}
}

// run writes first, unless it is nil, and then the events of sub until sub ends or the caller disconnects. It writes a
// heartbeat after each period of length idle without a write.
func (s *eventStream) run(sub *subscription, first *keyvaluev1.WatchResponse, idle time.Duration) {
	err := s.add(first)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for err == nil && s.flush(sub) == nil {
		timer.Reset(idle)
		select {
		case event, ok := <-sub.events:
			if !ok {
				err = sub.err
			} else if err = s.add(event); err == nil {
				err = s.addPending(sub)
			}
		case <-timer.C:
			s.buffer = append(s.buffer, heartbeat...)
		}
	}
	if err != nil {
		s.addError(err)
		_ = s.flush(sub) // fails only if the caller has disconnected
	}
}

// addPending adds the events that have already arrived, so that one write sends them together.
func (s *eventStream) addPending(sub *subscription) error {
	for len(s.buffer) < flushBytes && !s.large {
		select {
		case event, ok := <-sub.events:
			if !ok {
				return nil // run finds out
			}
			if err := s.add(event); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// add adds an event, unless it is nil. An event without a token has no id: after it, an EventSource resumes from the last
// event that had one. It returns OVERLOADED if the event is much longer in JSON and the budget has no room for it.
func (s *eventStream) add(res *keyvaluev1.WatchResponse) error {
	if res == nil {
		return nil
	}
	s.events++
	if s.large = isLarge(res); s.large {
		entry := res.GetEvent().GetEntry()
		more := int64(messagejson.Length(entry.GetValue(), entry.GetData()) - len(entry.GetValue()) - len(entry.GetData()))
		if err := s.account.Add(more); err != nil {
			return err
		}
		s.charged = more
	}
	name, ok := eventNames[res.GetEvent().GetType()]
	if !ok {
		return nil
	}
	b := s.buffer
	if token := res.GetResumeToken(); token != "" {
		b = append(append(append(b, "id: "...), token...), '\n')
	}
	b = append(append(append(b, "event: "...), name...), "\ndata: "...)
	s.buffer = append(appendEvent(b, res.GetEvent()), "\n\n"...)
	return nil
}

// appendEvent appends the data of an event. Its JSON has no line breaks.
func appendEvent(b []byte, event *keyvaluev1.Event) []byte {
	switch event.GetType() {
	case keyvaluev1.Event_TYPE_SYNC:
		if event.GetRevision() == 0 {
			return append(b, "{}"...)
		}
		b = strconv.AppendUint(append(b, `{"revision":"`...), event.GetRevision(), 10)
		return append(b, `"}`...)
	case keyvaluev1.Event_TYPE_PUT, keyvaluev1.Event_TYPE_TOUCH:
		return appendEntry(b, event.GetEntry(), withETag|withUpdateTime)
	}
	b = appendString(append(b, `{"key":`...), event.GetEntry().GetKey())
	return append(appendRevision(b, event.GetRevision()), '}')
}

// addError adds err as an event, whose data is the problem that the response would have been.
func (s *eventStream) addError(err error) {
	b := append(s.buffer, "event: error\ndata: "...)
	s.buffer = append(failureOf(err).Append(b), "\n\n"...)
}

// flush sends the events that were added, through all buffers.
func (s *eventStream) flush(sub *subscription) error {
	_, err := s.w.Write(s.buffer)
	s.buffer = s.buffer[:0]
	if cap(s.buffer) > maxPooled {
		s.buffer = nil
	}
	if err == nil {
		err = s.control.Flush()
	}
	s.account.Sent(s.events)
	s.account.Drop(s.charged)
	if s.large {
		sub.written <- struct{}{}
	}
	s.events, s.large, s.charged = 0, false, 0
	return err
}
