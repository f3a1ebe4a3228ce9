package storetest

import (
	"errors"
	"fmt"
	"slices"

	"key-value/kvservice/store"
)

// Change is one acknowledged write. Begin and End are in nanoseconds of a clock that all writers share.
type Change struct {
	Type    store.EventType // Put or Deleted
	Key     string
	Version store.Version // if Type is Put
	Begin   int64
	End     int64
}

// CheckWatch returns an error unless events are what one watch must deliver for changes: each exactly once, in the
// order in which they happened.
//
// Events are everything that the watch delivered from its beginning until the last change, over any number of
// resumptions. The events before the first Sync are its snapshot. If snapshot is false, the watch was opened before
// the first change. Changes are all changes to the watch's target. Those of each key must be in order, which they are
// if each key has only one writer.
func CheckWatch(changes []Change, events []store.Event, snapshot bool) error {
	synced := slices.IndexFunc(events, isSync)
	if synced < 0 {
		return errors.New("the watch never had an event of type sync")
	}
	initial, later := events[:synced], slices.DeleteFunc(slices.Clone(events[synced:]), isSync)
	if !snapshot && synced > 0 {
		return fmt.Errorf("the first event is %s, want sync", describeEvent(events[0]))
	}
	byKey := map[string][]Change{}
	for _, c := range changes {
		byKey[c.Key] = append(byKey[c.Key], c)
	}
	seen, err := initialOf(initial)
	if err != nil {
		return err
	}
	for key, all := range byKey {
		if err := checkKey(key, all, seen[key], eventsOf(later, key), snapshot); err != nil {
			return err
		}
	}
	return checkOrder(byKey, later)
}

func isSync(e store.Event) bool { return e.Type == store.Sync }

// initialOf returns the versions in a snapshot, by key. The snapshot may include changes made while it was read.
func initialOf(snapshot []store.Event) (map[string]store.Version, error) {
	seen := map[string]store.Version{}
	for _, e := range snapshot {
		if e.Token != "" {
			return nil, fmt.Errorf("the snapshot has %s with token %q, want none", describeEvent(e), e.Token)
		}
		switch _, twice := seen[e.Entry.Key]; {
		case e.Type != store.Put && e.Type != store.Touched:
			delete(seen, e.Entry.Key)
		case twice && e.Entry.Version == seen[e.Entry.Key]:
			return nil, fmt.Errorf("the snapshot has %q twice in version %v", e.Entry.Key, e.Entry.Version)
		default:
			seen[e.Entry.Key] = e.Entry.Version
		}
	}
	return seen, nil
}

func eventsOf(events []store.Event, key string) []store.Event {
	var found []store.Event
	for _, e := range events {
		if e.Entry.Key == key {
			found = append(found, e)
		}
	}
	return found
}

// checkKey compares the events of one key with its changes. They must be the last changes: all those after the
// version in the snapshot. A key that is missing from the snapshot did not exist then.
func checkKey(key string, changes []Change, initial store.Version, events []store.Event, snapshot bool) error {
	missed := len(changes) - len(events)
	if missed < 0 || !snapshot && missed > 0 {
		return fmt.Errorf("key %q changed %d times, but has %d events", key, len(changes), len(events))
	}
	var before Change
	if missed > 0 {
		before = changes[missed-1]
	}
	if snapshot && before.Version != initial {
		return fmt.Errorf("the snapshot has key %q in version %v, but the %d events after it start after version %v",
			key, initial, len(events), before.Version)
	}
	for i, e := range events {
		want := changes[missed+i]
		if e.Type != want.Type || e.Entry.Version != want.Version && want.Type == store.Put {
			return fmt.Errorf("event %d of key %q is %s in version %v, want %s in version %v", i, key,
				describeEvent(e), e.Entry.Version, eventNames[want.Type], want.Version)
		}
	}
	return nil
}

// checkOrder checks that no event follows one of a change that began after its own change was acknowledged, and that
// every event has a unique token.
func checkOrder(byKey map[string][]Change, events []store.Event) error {
	at := map[string]int{}
	for key, all := range byKey {
		at[key] = len(all) - len(eventsOf(events, key))
	}
	tokens := map[string]bool{}
	latest := Change{}
	for _, e := range events {
		c := byKey[e.Entry.Key][at[e.Entry.Key]]
		at[e.Entry.Key]++
		if c.End < latest.Begin {
			return fmt.Errorf("the event of %q, written before %d, comes after that of %q, written after %d",
				c.Key, c.End, latest.Key, latest.Begin)
		}
		if c.Begin > latest.Begin {
			latest = c
		}
		if e.Token == "" || tokens[e.Token] {
			return fmt.Errorf("%s has token %q, want a new one", describeEvent(e), e.Token)
		}
		tokens[e.Token] = true
	}
	return nil
}
