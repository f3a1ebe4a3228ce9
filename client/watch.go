package client

import (
	"context"
	"iter"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// EventType is a kind of [Event].
type EventType string

// The events of a watch.
const (
	// EventPut means that an entry was written, or, in a snapshot, that it exists. The event has the whole entry.
	EventPut EventType = "put"
	// EventTouch means that only the TTL of an entry changed. The event has the entry, with a new ETag, without its Value:
	// that is the one of the latest EventPut.
	EventTouch EventType = "touch"
	// EventDelete means that an entry was deleted. The event has its key.
	EventDelete EventType = "delete"
	// EventExpire means that the TTL of an entry elapsed. The event has its key.
	EventExpire EventType = "expire"
	// EventEvict means that an entry was removed to make room. The event has its key.
	EventEvict EventType = "evict"
	// EventSync means that the watch is up to date: the snapshot, if requested, is complete, and every later change will
	// be reported. It is repeated when the watch has resumed, and when there was no other event for 15 s.
	EventSync EventType = "sync"
	// EventReset means that the watch lost its position and that a complete snapshot follows, up to the next EventSync.
	// A program that keeps a copy of the entries must clear it now. It occurs only with [FromSnapshot] or [StartOver].
	EventReset EventType = "reset"
)

// Event is a change, or a change in the state of the watch itself.
type Event struct {
	Type  EventType
	Entry Entry // see EventType for which fields are set
	// Revision is that of the change; see [Entry]. All changes up to the one of an [EventSync] have been reported. It is zero
	// for [EventReset].
	Revision uint64
	// ResumeToken lets another watch continue after this event; see [ResumeFrom]. It is empty within a snapshot.
	ResumeToken string
}

// WatchOption sets where a watch starts and what it does when it is interrupted.
type WatchOption func(*watchOptions)

type watchOptions struct {
	token     string // of the last event that had one
	snapshot  bool
	startOver bool
	onCut     func(error)
}

// FromSnapshot starts the watch with the existing entries, as events of type [EventPut], followed by one of type
// [EventSync]. Changes made while the snapshot is read may be reported within it; the last event of a key is current.
// Without FromSnapshot, a watch reports only changes from its start on.
//
// A snapshot cannot be resumed: if it is interrupted, an event of type [EventReset] follows and the snapshot starts again.
// FromSnapshot has no effect together with a [ResumeFrom] that is not empty.
func FromSnapshot() WatchOption { return func(o *watchOptions) { o.snapshot = true } }

// ResumeFrom starts the watch after the event that had token, which may have been received by another program. An empty
// token has no effect.
func ResumeFrom(token string) WatchOption { return func(o *watchOptions) { o.token = token } }

// StartOver continues with an event of type [EventReset] and a snapshot where the watch would otherwise end with
// [ErrResumeTooOld].
func StartOver() WatchOption { return func(o *watchOptions) { o.startOver = true } }

// OnCut calls f with the error each time the watch is interrupted, before it waits and resumes. f is called between
// events, by the goroutine that iterates over them.
func OnCut(f func(err error)) WatchOption { return func(o *watchOptions) { o.onCut = f } }

// Watch reports the changes of all keys that begin with prefix, or of all keys if it is empty.
//
// The first event is of type [EventSync], after the snapshot if [FromSnapshot] is given, and after the changes that were
// missed if the watch resumes. There is another one each time it has resumed after an interruption.
// From then on, each change is reported exactly once and in order.
//
// If the service cannot be reached, stops, is overloaded or closes the connection, the watch resumes by itself after the
// last event, until ctx ends; [OnCut] reports such interruptions. A watch ends with an error, as its last pair:
//   - that of ctx when it ends, together with [ErrUnavailable] if the watch was interrupted and has not resumed;
//   - [ErrResumeTooOld] if the next changes are no longer in the history, because the service restarted, or the reader or
//     the interruption took too long, unless [StartOver] is given;
//   - any other error that a retry would not change, such as [ErrUnauthenticated] or [ErrInvalid].
//
// Each iteration over the result opens a new watch, and ending the loop closes it.
func (c *Client) Watch(ctx context.Context, prefix string, opts ...WatchOption) iter.Seq2[Event, error] {
	return c.watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Prefix{Prefix: prefix}}, opts)
}

// WatchKey reports the changes of a single key. It works like [Client.Watch].
func (c *Client) WatchKey(ctx context.Context, key string, opts ...WatchOption) iter.Seq2[Event, error] {
	return c.watch(ctx, &keyvaluev1.WatchRequest{Target: &keyvaluev1.WatchRequest_Key{Key: key}}, opts)
}

var eventTypes = map[keyvaluev1.Event_Type]EventType{
	keyvaluev1.Event_TYPE_PUT:    EventPut,
	keyvaluev1.Event_TYPE_DELETE: EventDelete,
	keyvaluev1.Event_TYPE_EXPIRE: EventExpire,
	keyvaluev1.Event_TYPE_EVICT:  EventEvict,
	keyvaluev1.Event_TYPE_SYNC:   EventSync,
	keyvaluev1.Event_TYPE_TOUCH:  EventTouch,
}

func newEvent(res *keyvaluev1.WatchResponse) Event {
	return Event{
		Type:        eventTypes[res.GetEvent().GetType()],
		Entry:       newEntry(res.GetEvent().GetEntry()),
		Revision:    res.GetEvent().GetRevision(),
		ResumeToken: res.GetResumeToken(),
	}
}
