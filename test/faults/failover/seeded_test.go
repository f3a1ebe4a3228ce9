package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const second = time.Second

// written returns a ledger of writes that are sent and acknowledged at the seconds of their numbers, except for those
// in unknown, which have no answer.
func written(n int, without ...int) *ledger {
	b := &ledger{key: "b/0/0"}
	for i := 1; i <= n; i++ {
		b.begin(time.Duration(i) * second)
		_ = b.answer(i, fmt.Sprint("etag", i), uint64(i), time.Duration(i)*second)
	}
	for _, number := range without {
		b.writes[number-1].state = unanswered
	}
	return b
}

// lose makes a ledger find that this is its last write.
func lose(t *testing.T, b *ledger, number int) {
	t.Helper()
	if _, err := b.find(fmt.Sprint(number), fmt.Sprint("etag", number)); err != nil {
		t.Fatal(err)
	}
}

// further makes and acknowledges more writes.
func further(b *ledger, n int) {
	for range n {
		number, _ := b.begin(100 * second)
		_ = b.answer(number, fmt.Sprint("etag", number), uint64(number), 100*second)
	}
}

// watching returns a watch of everything that has delivered these numbers, the first in a snapshot.
func watching(b *ledger, numbers ...int) *transcript {
	t := newTranscript("b/", false, true)
	for i, number := range numbers {
		t.put(b.key, content{fmt.Sprint(number), fmt.Sprint("etag", number)}, "")
		if i == 0 {
			t.sync("token", 0)
		}
	}
	return t
}

func TestWatchesShowASeededBug(t *testing.T) {
	for name, test := range map[string]struct {
		told  []int
		lose  bool // writes 4 and 5 are lost, and 6 and 7 follow
		ended bool
		wrong string
	}{
		"all are delivered":                                  {told: []int{1, 2, 3, 4, 5}},
		"one without an answer is not delivered":             {told: []int{1, 3, 4, 5}},
		"one is missing":                                     {told: []int{1, 2, 4, 5}, wrong: "gap"},
		"one is delivered twice":                             {told: []int{1, 2, 3, 3, 4, 5}, wrong: "twice"},
		"two change places":                                  {told: []int{1, 2, 4, 3, 5}, wrong: "came after"},
		"the last is not delivered":                          {told: []int{1, 2, 3, 4}, wrong: "misses what follows write"},
		"the last is not delivered, but the watch has ended": {told: []int{1, 2, 3, 4}, ended: true},
		"lost ones are missing":                              {told: []int{1, 2, 3, 6, 7}, lose: true},
		"lost ones are delivered, and the watch has ended":   {told: []int{1, 2, 3, 4, 5}, lose: true, ended: true},
		"lost ones are delivered, and the watch continues":   {told: []int{1, 2, 3, 4, 6, 7}, lose: true, wrong: "is lost, and went on"},
		"lost ones are delivered, and then nothing":          {told: []int{1, 2, 3, 4, 5}, lose: true, wrong: "misses what follows write"},
		"the first after lost ones is missing":               {told: []int{1, 2, 3, 7}, lose: true, wrong: "gap"},
		"one is delivered that was never made":               {told: []int{1, 2, 3, 9}, wrong: "never made"},
		"it begins after the first, in a copy":               {told: []int{3, 4, 5}},
		"the copy that it began with misses the first":       {told: []int{0, 3, 4, 5}, wrong: "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			b := written(5, 2)
			if test.lose {
				lose(t, b, 3)
				further(b, 2)
			}
			told := test.told
			watch := watching(b, told...)
			if told[0] == 0 {
				watch.base[b.key] = 0
			}
			err := watch.judge(b, !test.ended)
			if got := fmt.Sprint(err); (err != nil) != (test.wrong != "") || !strings.Contains(got, test.wrong) && err != nil {
				t.Errorf("judge = %v, want %q", err, test.wrong)
			}
		})
	}
}

func TestEtagsShowASeededBug(t *testing.T) {
	for name, test := range map[string]struct {
		second func(e *etags) error
		right  bool
	}{
		"read again":             {func(e *etags) error { return e.seen("k", "e", "1") }, true},
		"of another key":         {func(e *etags) error { return e.written("l", "e", "2") }, true},
		"given to another write": {func(e *etags) error { return e.written("k", "e", "2") }, false},
		"given to another write of the same value": {func(e *etags) error { return e.written("k", "e", "1") }, false},
		"read with another value":                  {func(e *etags) error { return e.seen("k", "e", "2") }, false},
		"a value without an etag":                  {func(e *etags) error { return e.seen("k", "", "2") }, false},
		"another etag, another value":              {func(e *etags) error { return e.written("k", "f", "2") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtags()
			if err := e.written("k", "e", "1"); err != nil {
				t.Fatal(err)
			}
			if err := test.second(e); (err == nil) != test.right {
				t.Errorf("error %v, want right: %t", err, test.right)
			}
		})
	}
}

func TestLedgersShowWhatIsLost(t *testing.T) {
	b := written(5, 5)
	losses, err := b.find("3", "etag3")
	if err != nil || len(losses) != 1 || losses[0].number != 4 || losses[0].etag != "etag4" {
		t.Errorf("find = %+v, %v, want write 4 to be lost, and not 5, which had no answer", losses, err)
	}
	if s, suspicious, _ := b.read("3", 4); !suspicious || s.check() != nil {
		t.Error("a read without a lost write is wrong")
	}
	if s, suspicious, _ := b.read("2", 3); !suspicious || s.check() == nil {
		t.Error("a read without a write that is not lost is right")
	}
	if _, err := b.find("4", "etag4"); err == nil {
		t.Error("a lost write comes back without an error")
	}
	if _, err := b.find("7", "etag7"); err == nil {
		t.Error("a write appears that no one made, without an error")
	}
	if _, err := b.find("3", "etag9"); err == nil {
		t.Error("a write has another etag than it was given, without an error")
	}
}

func TestLedgersShowARevisionThatDoesNotGrow(t *testing.T) {
	b := written(5)
	lose(t, b, 3)
	for revision, right := range map[uint64]bool{4: false, 5: false, 6: true} { // 5 is that of a lost write
		b.highest = 5
		number, _ := b.begin(100 * second)
		if err := b.answer(number, "etag", revision, 100*second); (err == nil) != right {
			t.Errorf("a write with revision %d after one with 5 = %v, want right: %t", revision, err, right)
		}
	}
}

func TestFaultsExplainLosses(t *testing.T) {
	f := fault{kind: primaryKilled, from: 10 * second, to: 10*second + 1}
	for name, test := range map[string]struct {
		fault fault
		loss  loss
		right bool
	}{
		"just before":                          {f, loss{sent: 9900 * time.Millisecond, acked: 9950 * time.Millisecond}, true},
		"answered late":                        {f, loss{sent: 9900 * time.Millisecond, acked: 11 * second}, true},
		"too long before":                      {f, loss{sent: 8 * second, acked: 8900 * time.Millisecond}, false},
		"sent afterwards":                      {f, loss{sent: 11 * second, acked: 11 * second}, false},
		"by a fault that must not lose writes": {fault{kind: replicaKilled, from: 10 * second, to: 11 * second}, loss{acked: 10 * second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.fault.explain(test.loss); (err == nil) != test.right {
				t.Errorf("explain = %v, want right: %t", err, test.right)
			}
		})
	}
}

func TestCountersShowASeededBug(t *testing.T) {
	c := &counter{key: "c"}
	answer := func(value int64) ([]loss, error) { return c.answer(sum{value: value, etag: fmt.Sprint(value)}) }
	for value := range int64(3) {
		if losses, err := answer(value + 1); len(losses) != 0 || err != nil {
			t.Fatal(losses, err)
		}
	}
	if _, err := answer(5); err == nil {
		t.Error("3 and 1 make 5, without an error")
	}
	c.unknown = 1
	if losses, err := answer(7); len(losses) != 0 || err != nil {
		t.Errorf("5 and 1, and an increment without an answer, do not make 7: %v, %v", losses, err)
	}
	if losses, err := c.find(2); err != nil || len(losses) != 3 {
		t.Errorf("find(2) = %v, %v, want 3, 5 and 7 to be lost", losses, err)
	}
	if _, err := c.find(3); err == nil {
		t.Error("a sum grows by itself, without an error")
	}
}
