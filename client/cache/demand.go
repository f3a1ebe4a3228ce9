package cache

import (
	"container/list"

	"key-value/client"
)

// itemBytes is what an item counts beside its key and value.
const itemBytes = 256

// demand is what a cache with [OnDemand] keeps, within its bound. A key that was read since its turn came last gets another
// turn before it is dropped.
type demand struct {
	order   *list.List               // of *item; the next one whose turn it is comes first
	places  map[string]*list.Element // :: key → its element of order
	bytes   int                      // of all items in order
	session int                      // counts the watches that did not resume; zero: none has begun
	asking  map[string]*question     // :: key → calls for it that are under way
}

// question is calls for one key that are under way.
type question struct {
	calls int
	seen  uint64 // the latest revision of the key in an event or an answer
}

func newDemand() demand {
	return demand{order: list.New(), places: map[string]*list.Element{}, asking: map[string]*question{}}
}

// reset forgets all items: changes to them may have been missed.
func (d *demand) reset() {
	d.order.Init()
	clear(d.places)
	d.bytes = 0
	d.session++
}

// ask registers a call for key, so that no change is missed from now on, and returns the session.
func (d *demand) ask(key string) int {
	if d.asking[key] == nil {
		d.asking[key] = &question{}
	}
	d.asking[key].calls++
	return d.session
}

// answered ends what ask began in session, and reports whether the answer, if there is one, has all changes since.
func (d *demand) answered(key string, session int, answer *item) bool {
	q := d.asking[key]
	if q.calls--; q.calls == 0 {
		delete(d.asking, key)
	}
	if answer == nil || answer.revision < q.seen {
		return false
	}
	q.seen = answer.revision
	return session == d.session && session != 0
}

// saw records the change of a key for the calls that ask for it.
func (d *demand) saw(event client.Event) {
	if q := d.asking[event.Entry.Key]; q != nil {
		q.seen = max(q.seen, event.Revision)
	}
}

// keep counts it, which is in t, and removes items from t until no more than limit bytes are left.
func (d *demand) keep(t *table, it *item, limit int) {
	place := d.places[it.key]
	switch {
	case it.bytes() > limit:
		t.remove(it.key)
		d.drop(it.key)
	case place != nil:
		old := place.Value.(*item)
		it.used.Store(old.used.Load())
		place.Value = it
		d.bytes += it.bytes() - old.bytes()
		d.shrink(t, limit)
	default:
		d.shrink(t, limit-it.bytes()) // first, so that it is not the one to go
		d.places[it.key] = d.order.PushBack(it)
		d.bytes += it.bytes()
	}
}

// shrink removes items until they have no more than limit bytes.
func (d *demand) shrink(t *table, limit int) {
	for d.bytes > limit {
		first := d.order.Front()
		if it := first.Value.(*item); it.used.Swap(false) {
			d.order.MoveToBack(first)
		} else {
			t.remove(it.key)
			d.drop(it.key)
		}
	}
}

// drop stops counting key, if it is kept.
func (d *demand) drop(key string) {
	if place := d.places[key]; place != nil {
		d.bytes -= d.order.Remove(place).(*item).bytes()
		delete(d.places, key)
	}
}

func (it *item) bytes() int { return len(it.key) + len(it.value) + itemBytes }
