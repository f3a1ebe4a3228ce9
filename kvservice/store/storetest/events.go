package storetest

import (
	"errors"
	"fmt"
	"slices"

	"key-value/kvservice/store"
)

// Change is one write that was acknowledged. Begin and End are in nanoseconds of one clock that all writers
// share.
type Change struct {
	Type    store.EventType // Put or Deleted
	Key     string
	Version store.Version // of a Put
	Begin   int64
	End     int64
}

// CheckWatch returns an error unless events are what one watch must deliver of changes: each exactly once
// and in the order in which they happened.
//
// Events are what the watch delivered from its beginning until it had the last change, over any number of
// resumptions. What comes before the first event of type Sync is its snapshot. If snapshot is false, the watch was
// open before the first change. Changes are all changes to what is watched, where those of one key are in
// order, as they are when each key has only one writer.
func CheckWatch(changes []Change, events []store.Event, snapshot bool) error {
	synced := slices.IndexFunc(events, isSync)
	if synced < 0 {
		return errors.New("the watch never had an event of type sync")
	}
	initial, later := events[:synced], slices.DeleteFunc(slices.Clone(events[synced:]), isSync)
	if !snapshot && synced > 0 {
		return fmt.Errorf("the watch began with %s, want sync", describeEvent(events[0]))
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

// initialOf returns the versions of a snapshot: key → version. What changed while it was read follows in it.
func initialOf(snapshot []store.Event) (map[string]store.Version, error) {
	seen := map[string]store.Version{}
	for _, e := range snapshot {
		if e.Token != "" {
			return nil, fmt.Errorf("the snapshot has %s with token %q", describeEvent(e), e.Token)
		}
		switch _, twice := seen[e.Entry.Key]; {
		case e.Type != store.Put:
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

// checkKey compares the events of one key with its changes: they must be the last ones, all of those behind
// the version in the snapshot. If the snapshot lacks the key, it did not exist then.
func checkKey(key string, changes []Change, initial store.Version, events []store.Event, snapshot bool) error {
	missed := len(changes) - len(events)
	if missed < 0 || !snapshot && missed > 0 {
		return fmt.Errorf("key %q changed %d times, and the watch had %d events of it", key, len(changes), len(events))
	}
	var before Change
	if missed > 0 {
		before = changes[missed-1]
	}
	if snapshot && before.Version != initial {
		return fmt.Errorf("the snapshot has key %q in version %v, and the %d events behind it begin behind version %v",
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

// checkOrder checks that no event comes behind one of a change that began after it was acknowledged. Its
// tokens must all be there, and none twice.
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
			return fmt.Errorf("the event of %q, which ended at %d, is behind that of %q, which began at %d",
				c.Key, c.End, latest.Key, latest.Begin)
		}
		if c.Begin > latest.Begin {
			latest = c
		}
		if e.Token == "" || tokens[e.Token] {
			return fmt.Errorf("%s has token %q, which is none or was had before", describeEvent(e), e.Token)
		}
		tokens[e.Token] = true
	}
	return nil
}
