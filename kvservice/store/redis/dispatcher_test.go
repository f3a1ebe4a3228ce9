package redis

import (
	"testing"

	"key-value/kvservice/store/inbox"
)

// dispatcherAfter returns a dispatcher of two shards that is at revision 100 in both, after it has received the
// answers of shard 0, while shard 1 has only reached 110.
func dispatcherAfter(answers ...pollResult) *dispatcher {
	f := &dispatcher{registry: inbox.NewRegistry[*watch](), tails: []tail{{epoch: 1, upTo: 100}, {epoch: 1, upTo: 100}}, merged: position{100, 2}}
	for _, answer := range answers {
		f.advanceLocked(0, answer)
	}
	f.advanceLocked(1, pollResult{epoch: 1, upTo: 110})
	f.mergeLocked()
	return f
}

func TestJoiningWatchReadsDroppedChanges(t *testing.T) {
	changes := []change{{position: position{115, 0}, previous: 90, key: "k"}}
	for name, f := range map[string]*dispatcher{
		"a different epoch": dispatcherAfter(pollResult{epoch: 2, upTo: 120, last: 115, changes: changes}),
		"after changes that are gone": dispatcherAfter(pollResult{epoch: 1, upTo: 120, last: 115, changes: []change{
			{position: position{115, 0}, previous: 105, key: "k"},
		}}),
	} {
		w := &watch{shards: []int{0, 1}, inbox: inbox.New[change]()}
		until, err := f.join(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		f.advanceLocked(1, pollResult{epoch: 1, upTo: 130})
		f.mergeLocked()
		given := !w.inbox.Empty()
		if reads := !until.before(position{115, 0}); reads == given {
			t.Errorf("%s: a change at 115 is read by the joining watch: %t, and delivered by the dispatcher: %t; want exactly one", name, reads, given)
		}
	}
}

func TestJoiningWatchReadsDroppedChangesOfAReturnedShard(t *testing.T) {
	f := dispatcherAfter()
	f.tails[0].epoch = 0 // as after some seconds without an answer
	f.advanceLocked(0, pollResult{epoch: 1, upTo: 120, last: 115})
	until, err := f.join(t.Context(), &watch{shards: []int{0, 1}, inbox: inbox.New[change]()})
	if err != nil {
		t.Fatal(err)
	}
	if until.before(position{115, 0}) {
		t.Errorf("the joining watch starts at %d, and does not read a change at 115", until.revision)
	}
}

func TestIdleWatchNeverGoesBack(t *testing.T) {
	f := dispatcherAfter(pollResult{epoch: 1, upTo: 120})
	for at, want := range map[uint64]uint64{105: 110, 115: 115} {
		w := &watch{engine: &Engine{dispatcher: f}, shards: []int{0, 1}, at: position{at, 2}, inbox: inbox.New[change]()}
		if _, ok := w.idle(); !ok || w.at != (position{want, 2}) {
			t.Errorf("an idle watch at %d is at %d now, want %d", at, w.at.revision, want)
		}
	}
}
