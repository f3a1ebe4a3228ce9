package redis

import "testing"

// told returns a feed of two shards that is at 100 in both, after each of the answers of shard 0 has come, and shard 1 has
// got no further than 110.
func dispatcherAfter(answers ...pollResult) *dispatcher {
	f := &dispatcher{registry: newRegistry(), tails: []tail{{epoch: 1, upTo: 100}, {epoch: 1, upTo: 100}}, merged: position{100, 2}}
	for _, answer := range answers {
		f.advanceLocked(0, answer)
	}
	f.advanceLocked(1, pollResult{epoch: 1, upTo: 110})
	f.mergeLocked()
	return f
}

func TestWhoJoinsReadsWhatTheFeedHasDropped(t *testing.T) {
	changes := []change{{position: position{115, 0}, previous: 90, key: "k"}}
	for name, f := range map[string]*dispatcher{
		"of another epoch": dispatcherAfter(pollResult{epoch: 2, upTo: 120, last: 115, changes: changes}),
		"behind some that are gone": dispatcherAfter(pollResult{epoch: 1, upTo: 120, last: 115, changes: []change{
			{position: position{115, 0}, previous: 105, key: "k"},
		}}),
	} {
		w := &watch{shards: []int{0, 1}, inbox: inbox{ready: make(chan struct{}, 1)}}
		until, err := f.join(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		f.advanceLocked(1, pollResult{epoch: 1, upTo: 130})
		f.mergeLocked()
		given := !w.inbox.empty()
		if reads := !until.before(position{115, 0}); reads == given {
			t.Errorf("%s: a change at 115 is read by who joins: %t, and given by the feed: %t; want one of both", name, reads, given)
		}
	}
}

func TestWhoJoinsAfterAShardIsBackReadsWhatTheFeedHasDropped(t *testing.T) {
	f := dispatcherAfter()
	f.tails[0].epoch = 0 // as it is after some seconds without an answer
	f.advanceLocked(0, pollResult{epoch: 1, upTo: 120, last: 115})
	until, err := f.join(t.Context(), &watch{shards: []int{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if until.before(position{115, 0}) {
		t.Errorf("a change at 115 is not read by who joins, who begins at %d", until.revision)
	}
}
