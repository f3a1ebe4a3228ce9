package rest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

type watchFunc = func(
	context.Context, *keyvaluev1.WatchRequest,
) (keyvaluev1connect.KeyValueServiceWatchClientStream, error)

// watchValues serves the changes of a key or a prefix as server-sent events. The last event of a stream that the server
// ends has type error.
func (a *api) watchValues(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offer{"text", "event-stream"}); err != nil {
		return err
	}
	req, err := watchRequest(r)
	if err != nil {
		return err
	}
	if err := a.stopping.Err(); err != nil {
		return a.ended(err)
	}
	sub := a.subscribe(r.Context(), req)
	defer sub.close()
	first, err := sub.first(a.timeout)
	if err != nil {
		return err
	}
	newEventStream(w, r.account).run(sub, first, a.heartbeat)
	return nil
}

func watchRequest(r request) (*keyvaluev1.WatchRequest, error) {
	snapshot, err := parseBool(r.query, "snapshot")
	if err != nil {
		return nil, err
	}
	req := &keyvaluev1.WatchRequest{ResumeToken: r.query.Get("resumeToken"), Snapshot: snapshot}
	// An EventSource reconnects with the same query and the id of the last event it received, so that takes precedence.
	// Replacements of EventSource add it to the query, because a header would need the permission of a preflight.
	if id := cmp.Or(r.Header.Get("Last-Event-ID"), r.query.Get("lastEventId")); id != "" {
		req.ResumeToken, req.Snapshot = id, false
	}
	if !utf8.ValidString(req.ResumeToken) {
		return nil, contract.RequestInvalid.Errorf("invalid Last-Event-ID: want the id of an event")
	}
	if r.query.Has(ticketParameter) {
		return req, ticketTarget(req, r)
	}
	return req, setTarget(req, r.query)
}

var (
	errTwoTargets = contract.RequestInvalid.Errorf("both key and prefix are set: a watch has one of them")
	errNoTarget   = contract.RequestInvalid.Errorf("nothing to watch: set key, or set prefix, which may be empty for all keys")
)

func setTarget(req *keyvaluev1.WatchRequest, query url.Values) error {
	switch key, prefix := query.Has("key"), query.Has("prefix"); {
	case key && prefix:
		return errTwoTargets
	case key:
		req.Target = &keyvaluev1.WatchRequest_Key{Key: query.Get("key")}
	case prefix:
		req.Target = &keyvaluev1.WatchRequest_Prefix{Prefix: query.Get("prefix")}
	default:
		return errNoTarget
	}
	return nil
}

func parseBool(query url.Values, name string) (bool, error) {
	switch s := cmp.Or(query.Get(name), strconv.FormatBool(query.Has(name))); s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, contract.RequestInvalid.Errorf("invalid %s %q: want true or false", name, s)
	}
}

const (
	// bufferedEvents is the capacity of a subscription. If its reader is slower than that, the service has to wait, and
	// ends the watch once it no longer keeps the events.
	bufferedEvents = 8
	// largeEvent is the size from which an event is sent before the next one is received, so that a watch whose reader has
	// stopped keeps no more than one large event in memory.
	largeEvent = 16 << 10
)

// subscription is a watch of the service. A goroutine receives its events, so that a reader can wait for a timer as well.
type subscription struct {
	events  chan *keyvaluev1.WatchResponse // closed when the watch ends
	written chan struct{}                  // receives an element for each large event, when it was written
	err     error                          // why the watch ended; set before events is closed
	cancel  func()
}

// isLarge reports whether the subscription waits until event is written.
func isLarge(event *keyvaluev1.WatchResponse) bool { return contract.ContentBytes(event) >= largeEvent }

// subscribe opens a watch, which ends when ctx is done or the server stops. The caller must close the subscription.
func (a *api) subscribe(ctx context.Context, req *keyvaluev1.WatchRequest) *subscription {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(a.stopping, cancel)
	sub := &subscription{
		events: make(chan *keyvaluev1.WatchResponse, bufferedEvents), written: make(chan struct{}, 1),
		cancel: func() { release(); cancel() },
	}
	go func() {
		defer close(sub.events)
		sub.err = a.ended(sub.receive(ctx, a.client.Watch, req))
	}()
	return sub
}

// receive receives events until the watch ends. It never returns nil.
func (s *subscription) receive(ctx context.Context, watch watchFunc, req *keyvaluev1.WatchRequest) error {
	stream, err := watch(ctx, req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		event, err := stream.Receive()
		if err != nil {
			return err
		}
		select {
		case s.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !isLarge(event) {
			continue
		}
		select {
		case <-s.written:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wrote reports that event, which may be nil, was written.
func (s *subscription) wrote(event *keyvaluev1.WatchResponse) {
	if isLarge(event) {
		s.written <- struct{}{}
	}
}

// ended returns the error to report for a watch that ended with err.
func (a *api) ended(err error) error {
	switch {
	case a.stopping.Err() != nil:
		return contract.ServiceUnavailable.Errorf("the gateway is shutting down; resume from the id of the last event")
	case errors.Is(err, io.EOF):
		return contract.ServiceUnavailable.Errorf("the service ended the watch; resume from the id of the last event")
	}
	return err
}

// first waits for the first event, which every watch has as soon as it is open. Until then, an error can change the status
// of the response.
func (s *subscription) first(timeout time.Duration) (*keyvaluev1.WatchResponse, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case event, ok := <-s.events:
		if !ok {
			return nil, s.err
		}
		return event, nil
	case <-timer.C:
		return nil, contract.DeadlineExceeded.Errorf("the service did not open the watch in time")
	}
}

// close ends the watch and waits for its goroutine to exit.
func (s *subscription) close() {
	s.cancel()
	for range s.events {
	}
}
