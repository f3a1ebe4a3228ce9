package client

import (
	"context"
	"iter"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// EventType says what happened.
type EventType string

// What a watch tells.
const (
	// EventPut: the entry was written, or its TTL changed. The event carries the whole entry. Within a snapshot,
	// the entry exists.
	EventPut EventType = "put"
	// EventDelete: the entry was deleted. The event carries its key.
	EventDelete EventType = "delete"
	// EventExpire: the entry's TTL elapsed. The event carries its key.
	EventExpire EventType = "expire"
	// EventEvict: the entry was removed to make room. The event carries its key.
	EventEvict EventType = "evict"
	// EventSync: the watch has caught up. What came before is the complete snapshot, if one was asked for, and
	// every change from here on will follow.
	EventSync EventType = "sync"
	// EventReset: what the watch has told so far counts no more, because its thread was lost. A complete snapshot
	// follows, up to an event of type EventSync: who keeps a copy of the entries empties it now. It only comes in
	// a watch with [FromSnapshot] or [StartOver].
	EventReset EventType = "reset"
)

// Event is one change, or news of the watch itself.
type Event struct {
	Type  EventType
	Entry Entry // see EventType for how much of it
	// ResumeToken continues another watch right after this event; see [ResumeFrom]. It is empty within a
	// snapshot.
	ResumeToken string
}

// WatchOption says where a watch begins, and what it does when it is cut.
type WatchOption func(*watchOptions)

type watchOptions struct {
	token     string // resumes behind the last event that has one
	snapshot  bool
	startOver bool
	onCut     func(error)
}

// FromSnapshot begins the watch with the entries that exist, as events of type [EventPut], followed by one of type
// [EventSync]. What changes while they are read may follow before that, as what it is: the last event of a key is what
// counts. Without it, the watch begins with the changes that are made from then on.
//
// A snapshot cannot be resumed in its middle: if it is cut there, an event of type [EventReset] follows and then the
// snapshot once more from its start. Beside a [ResumeFrom] that is not empty it has no effect.
func FromSnapshot() WatchOption { return func(o *watchOptions) { o.snapshot = true } }

// ResumeFrom begins the watch right after the event that carried token, also in another program. If token is empty,
// it has no effect.
func ResumeFrom(token string) WatchOption { return func(o *watchOptions) { o.token = token } }

// StartOver goes on with an event of type [EventReset] and then a snapshot where the watch would else end with
// [ErrResumeTooOld].
func StartOver() WatchOption { return func(o *watchOptions) { o.startOver = true } }

// OnCut has f called each time the watch was cut, with the reason, before the watch waits a moment and resumes. It is
// called between events, by the goroutine that ranges over them.
func OnCut(f func(err error)) WatchOption { return func(o *watchOptions) { o.onCut = f } }

// Watch follows the changes of all keys that begin with prefix, or of all keys if it is empty.
//
// From the event of type [EventSync] on, each change is told exactly once and in the order in which it was made. The
// first event is that one, or a snapshot before it if [FromSnapshot] is given; only a watch that resumes has none.
//
// When the service cannot be reached, stops, has no capacity or cuts the watch, it resumes by itself, right after the
// last event, for as long as ctx lasts; [OnCut] listens. It ends with an error, as its last pair:
//   - ctx's own when that is done, and [ErrUnavailable] with it if the watch was cut and heard nothing since;
//   - [ErrResumeTooOld] when the next changes are no longer kept, because the service was restarted or the reader or
//     the interruption took too long, unless [StartOver] is given;
//   - any other that trying again would not change, such as [ErrUnauthenticated] or [ErrInvalid].
//
// Ranging over the result opens the watch and leaving the loop closes it. Ranging over it again opens it anew.
func (c *Client) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[Event, error] {
	return c.watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: prefix}}, opts)
}

// WatchKey follows the changes of one key, as [Client.Watch] does those of many.
func (c *Client) WatchKey(ctx context.Context, key string, opts ...WatchOption) iter.Seq2[Event, error] {
	return c.watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: key}}, opts)
}

var eventTypes = map[keyvaluev1.Event_Type]EventType{
	keyvaluev1.Event_TYPE_PUT:    EventPut,
	keyvaluev1.Event_TYPE_DELETE: EventDelete,
	keyvaluev1.Event_TYPE_EXPIRE: EventExpire,
	keyvaluev1.Event_TYPE_EVICT:  EventEvict,
	keyvaluev1.Event_TYPE_SYNC:   EventSync,
}

func newEvent(res *keyvaluev1.WatchResponse) Event {
	return Event{
		Type:        eventTypes[res.GetEvent().GetType()],
		Entry:       newEntry(res.GetEvent().GetEntry()),
		ResumeToken: res.GetResumeToken(),
	}
}
