package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const second = time.Second

// written returns a book of writes that are sent and acknowledged at their numbers of seconds. Those named have no
// answer.
func written(n int, without ...int) *book {
	b := &book{key: "b/0/0"}
	for i := 1; i <= n; i++ {
		b.begin(time.Duration(i) * second)
		b.answer(i, fmt.Sprint("etag", i), time.Duration(i)*second)
	}
	for _, number := range without {
		b.writes[number-1].state = unanswered
	}
	return b
}

// lose has a book find that its last write is this one.
func lose(t *testing.T, b *book, number int) {
	t.Helper()
	if _, err := b.find(fmt.Sprint(number), fmt.Sprint("etag", number)); err != nil {
		t.Fatal(err)
	}
}

// further makes and acknowledges more writes.
func further(b *book, n int) {
	for range n {
		number, _ := b.begin(100 * second)
		b.answer(number, fmt.Sprint("etag", number), 100*second)
	}
}

// watching returns a watch of everything that has told these numbers behind a snapshot with the first.
func watching(b *book, numbers ...int) *thread {
	t := newThread("b/", false, true)
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
		"all is told":                             {told: []int{1, 2, 3, 4, 5}},
		"one has no answer and is not told":       {told: []int{1, 3, 4, 5}},
		"one is left out":                         {told: []int{1, 2, 4, 5}, wrong: "gap"},
		"one is told twice":                       {told: []int{1, 2, 3, 3, 4, 5}, wrong: "twice"},
		"two change places":                       {told: []int{1, 2, 4, 3, 5}, wrong: "behind"},
		"the last is not told":                    {told: []int{1, 2, 3, 4}, wrong: "goes on behind"},
		"the last is not told, but it has ended":  {told: []int{1, 2, 3, 4}, ended: true},
		"lost ones are left out":                  {told: []int{1, 2, 3, 6, 7}, lose: true},
		"lost ones are told, and it has ended":    {told: []int{1, 2, 3, 4, 5}, lose: true, ended: true},
		"lost ones are told, and it goes on":      {told: []int{1, 2, 3, 4, 6, 7}, lose: true, wrong: "is lost, and went on"},
		"lost ones are told, and then nothing":    {told: []int{1, 2, 3, 4, 5}, lose: true, wrong: "goes on behind"},
		"the first behind lost ones is left out":  {told: []int{1, 2, 3, 7}, lose: true, wrong: "gap"},
		"one is told that was never made":         {told: []int{1, 2, 3, 9}, wrong: "never made"},
		"it begins behind the first, in a copy":   {told: []int{3, 4, 5}},
		"the copy it began with misses the first": {told: []int{0, 3, 4, 5}, wrong: "gap"},
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
		"read again":                    {func(e *etags) error { return e.seen("k", "e", "1") }, true},
		"of another key":                {func(e *etags) error { return e.written("l", "e", "2") }, true},
		"given to another write":        {func(e *etags) error { return e.written("k", "e", "2") }, false},
		"given to one of the same":      {func(e *etags) error { return e.written("k", "e", "1") }, false},
		"read with another content":     {func(e *etags) error { return e.seen("k", "e", "2") }, false},
		"a content that has no etag":    {func(e *etags) error { return e.seen("k", "", "2") }, false},
		"another etag, another content": {func(e *etags) error { return e.written("k", "f", "2") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtags()
			if err := e.written("k", "e", "1"); err != nil {
				t.Fatal(err)
			}
			if err := test.second(e); (err == nil) != test.right {
				t.Errorf("it is found %v, want right: %t", err, test.right)
			}
		})
	}
}

func TestBooksShowWhatIsLost(t *testing.T) {
	b := written(5, 5)
	losses, err := b.find("3", "etag3")
	if err != nil || len(losses) != 1 || losses[0].number != 4 || losses[0].etag != "etag4" {
		t.Errorf("find = %+v, %v, want that write 4 is lost, and not 5, which had no answer", losses, err)
	}
	if s, suspicious, _ := b.read("3", 4); !suspicious || s.check() != nil {
		t.Error("a read without a lost write is wrong")
	}
	if s, suspicious, _ := b.read("2", 3); !suspicious || s.check() == nil {
		t.Error("a read without a write that is not lost is right")
	}
	if _, err := b.find("4", "etag4"); err == nil {
		t.Error("a lost write comes back, and nobody minds")
	}
	if _, err := b.find("7", "etag7"); err == nil {
		t.Error("a write comes that nobody made, and nobody minds")
	}
	if _, err := b.find("3", "etag9"); err == nil {
		t.Error("a write has another etag than it was given, and nobody minds")
	}
}

func TestFaultsExplainLosses(t *testing.T) {
	f := fault{kind: primaryKilled, from: 10 * second, to: 10*second + 1}
	for name, test := range map[string]struct {
		fault fault
		loss  loss
		right bool
	}{
		"just before":                  {f, loss{sent: 9900 * time.Millisecond, acked: 9950 * time.Millisecond}, true},
		"answered late":                {f, loss{sent: 9900 * time.Millisecond, acked: 11 * second}, true},
		"too long before":              {f, loss{sent: 8 * second, acked: 8900 * time.Millisecond}, false},
		"sent afterwards":              {f, loss{sent: 11 * second, acked: 11 * second}, false},
		"by what must not lose writes": {fault{kind: replicaKilled, from: 10 * second, to: 11 * second}, loss{acked: 10 * second}, false},
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
		t.Error("3 and 1 make 5, and nobody minds")
	}
	c.unknown = 1
	if losses, err := answer(7); len(losses) != 0 || err != nil {
		t.Errorf("5 and 1, and one that had no answer, do not make 7: %v, %v", losses, err)
	}
	if losses, err := c.find(2); err != nil || len(losses) != 3 {
		t.Errorf("find(2) = %v, %v, want that 3, 5 and 7 are lost", losses, err)
	}
	if _, err := c.find(3); err == nil {
		t.Error("a sum grows by itself, and nobody minds")
	}
}
