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

// resumeWait is how long a watch that resumes may take to be refused before it counts as open: it has nothing
// to say until something changes. A refusal that comes later ends the stream.
const resumeWait = time.Second

type watchFunc = func(
	context.Context, *keyvaluev1.WatchRequest,
) (keyvaluev1connect.KeyValueServiceWatchClientStream, error)

// watchValues answers with the changes of a key or a prefix, as server-sent events. The stream ends only with an
// event of type error.
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
	f := a.follow(r.Context(), req)
	defer f.close()
	first, err := a.opened(f, req)
	if err != nil {
		return err
	}
	newEventStream(w).run(f, first, a.heartbeat)
	return nil
}

// opened waits until the watch is known to be open, so that it can still be refused with a status of its own.
// It returns the first event if there is one already.
func (a *api) opened(f *feed, req *keyvaluev1.WatchRequest) (*keyvaluev1.WatchResponse, error) {
	if req.GetResumeToken() != "" {
		return f.first(min(resumeWait, a.timeout))
	}
	event, err := f.first(a.timeout)
	if event == nil && err == nil {
		return nil, contract.DeadlineExceeded.Errorf("the service did not open the watch in time")
	}
	return event, err
}

func watchRequest(r request) (*keyvaluev1.WatchRequest, error) {
	snapshot, err := parseBool(r.query, "snapshot")
	if err != nil {
		return nil, err
	}
	req := &keyvaluev1.WatchRequest{ResumeToken: r.query.Get("resumeToken"), Snapshot: snapshot}
	// An EventSource repeats the request with the id of the last event that it saw, so the header says more than
	// the query does.
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		req.ResumeToken, req.Snapshot = id, false
	}
	if !utf8.ValidString(req.ResumeToken) {
		return nil, contract.RequestInvalid.Errorf("invalid Last-Event-ID: want the id of an event")
	}
	return req, setTarget(req, r.query)
}

func setTarget(req *keyvaluev1.WatchRequest, query url.Values) error {
	switch key, prefix := query.Has("key"), query.Has("prefix"); {
	case key && prefix:
		return contract.RequestInvalid.Errorf("both key and prefix are set: a watch has one of them")
	case key:
		req.Target = &keyvaluev1.WatchRequest_Key{Key: query.Get("key")}
	case prefix:
		req.Target = &keyvaluev1.WatchRequest_Prefix{Prefix: query.Get("prefix")}
	default:
		return contract.RequestInvalid.Errorf("nothing to watch: set key, or set prefix, which may be empty for all keys")
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

// feedEvents is how many events a feed holds for a reader who is busy. A reader who is slower than that keeps
// the service waiting, which ends the watch when it has to.
const feedEvents = 8

// feed is a watch that a goroutine of its own receives, so that its reader can wait for other things as well.
type feed struct {
	events chan *keyvaluev1.WatchResponse // closed when the watch has ended
	err    error                          // why it has; set before events is closed
	cancel func()
}

// follow opens a watch, which ends with ctx or when the server stops. Whoever calls it closes the feed.
func (a *api) follow(ctx context.Context, req *keyvaluev1.WatchRequest) *feed {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(a.stopping, cancel)
	f := &feed{
		events: make(chan *keyvaluev1.WatchResponse, feedEvents),
		cancel: func() { release(); cancel() },
	}
	go func() {
		defer close(f.events)
		f.err = a.ended(f.receive(ctx, a.client.Watch, req))
	}()
	return f
}

// receive never returns nil.
func (f *feed) receive(ctx context.Context, watch watchFunc, req *keyvaluev1.WatchRequest) error {
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
		case f.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ended returns what the caller is told of the end of a watch.
func (a *api) ended(err error) error {
	switch {
	case a.stopping.Err() != nil:
		return contract.ServiceUnavailable.Errorf("the gateway is shutting down; resume from the id of the last event")
	case errors.Is(err, io.EOF):
		return contract.ServiceUnavailable.Errorf("the service ended the watch; resume from the id of the last event")
	}
	return err
}

// first waits for the first event, or for the reason why there is none. It returns nil and no error when bound
// has passed.
func (f *feed) first(bound time.Duration) (*keyvaluev1.WatchResponse, error) {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case event, ok := <-f.events:
		if !ok {
			return nil, f.err
		}
		return event, nil
	case <-timer.C:
		return nil, nil
	}
}

// close ends the watch and waits until its goroutine is gone.
func (f *feed) close() {
	f.cancel()
	for range f.events {
	}
}
