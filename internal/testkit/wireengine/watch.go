package wireengine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/kvservice/store"
)

// Watch implements [store.Engine].
func (r *Engine) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	open := watchRPC
	if r.turn.Add(1)%2 == 0 {
		open = watchREST
	}
	next, err := open(ctx, r, req)
	if err != nil {
		cancel()
		return nil, err
	}
	return &watcher{next: next, cancel: cancel}, nil
}

// watcher is a watch of the service. Its Next uses the context of the watch, not its own.
type watcher struct {
	next   func() (store.Event, error)
	cancel context.CancelFunc
}

func (w *watcher) Next(context.Context) (store.Event, error) { return w.next() }
func (w *watcher) Close()                                    { w.cancel() }

func watchRPC(ctx context.Context, r *Engine, req store.WatchRequest) (func() (store.Event, error), error) {
	message := &keyvaluev1.WatchRequest{
		Target:      &keyvaluev1.WatchRequest_Prefix{Prefix: req.Prefix},
		ResumeToken: req.Resume, Snapshot: req.Snapshot,
	}
	if req.Key != "" {
		message.Target = &keyvaluev1.WatchRequest_Key{Key: req.Key}
	}
	stream, err := r.rpc().Watch(ctx, message)
	if err != nil {
		return nil, outcome(err)
	}
	return func() (store.Event, error) {
		res, err := stream.Receive()
		if err != nil {
			return store.Event{}, outcome(err)
		}
		return store.Event{
			Type:  eventTypes[strings.ToLower(strings.TrimPrefix(res.GetEvent().GetType().String(), "TYPE_"))],
			Entry: entryOf(res.GetEvent().GetEntry()), Token: res.GetResumeToken(),
		}, nil
	}, nil
}

var eventTypes = map[string]store.EventType{
	"put": store.Put, "delete": store.Deleted, "expire": store.Expired, "evict": store.Evicted, "sync": store.Sync,
	"touch": store.Touched,
}

func watchREST(ctx context.Context, r *Engine, req store.WatchRequest) (func() (store.Event, error), error) {
	query := url.Values{"prefix": {req.Prefix}}
	if req.Key != "" {
		query = url.Values{"key": {req.Key}}
	}
	if req.Snapshot {
		query.Set("snapshot", "true")
	}
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/values:watch?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	get.Header = http.Header{"X-Api-Key": {r.key}}
	if req.Resume != "" {
		get.Header.Set("Last-Event-ID", req.Resume)
	}
	res, err := r.http.Do(get)
	if err != nil {
		return nil, unknown(err)
	}
	lines := bufio.NewScanner(res.Body)
	if res.StatusCode != http.StatusOK {
		lines.Scan()
		p := problemOf(lines.Text())
		_ = res.Body.Close()
		return nil, sentinel(p.Reason, fmt.Errorf("%s: %s", res.Status, lines.Text()))
	}
	context.AfterFunc(ctx, func() { _ = res.Body.Close() })
	return func() (store.Event, error) { return readEvent(lines) }, nil
}

// readEvent reads one event of a text/event-stream.
func readEvent(lines *bufio.Scanner) (store.Event, error) {
	var event store.Event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "" && event.Type != 0:
			return event, nil
		case name == "id":
			event.Token = value
		case name == "event" && value == "error":
			lines.Scan()
			_, body, _ := strings.Cut(lines.Text(), ": ")
			return event, sentinel(problemOf(body).Reason, errors.New(body))
		case name == "event" && eventTypes[value] == 0:
			return event, fmt.Errorf("event %s", value)
		case name == "event":
			event.Type = eventTypes[value]
		case name == "data":
			var e struct {
				Key, Value, ETag string
				Data             []byte
			}
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return event, err
			}
			version, _ := store.ParseVersion(e.ETag)
			event.Entry = store.Entry{Key: e.Key, Value: append([]byte(e.Value), e.Data...), Version: version}
		}
	}
	return event, unknown(errors.Join(io.ErrUnexpectedEOF, lines.Err()))
}
