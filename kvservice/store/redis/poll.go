package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"key-value/kvservice/store"
)

// position is a place in the order of all changes.
type position struct {
	revision uint64
	shard    int // of changes with the same revision, those of lower shards come first
}

func (p position) before(q position) bool {
	return p.revision < q.revision || p.revision == q.revision && p.shard < q.shard
}

// change is what happened to one key.
type change struct {
	position
	kind     store.EventType
	previous uint64 // the revision of the change before it in its shard; zero: there was none
	key      string
	packed   string // the entry, of a Put
}

var kinds = map[byte]store.EventType{'p': store.Put, 'd': store.Deleted, 'x': store.Expired}

// changeBytes is what a change has before its key: kind, revision, the revision before it, and the key's length.
const changeBytes = 1 + 8 + 8 + 2

func unpackChange(shard int, packed string) (change, error) {
	if len(packed) < changeBytes {
		return change{}, errDamaged
	}
	c := change{kind: kinds[packed[0]], previous: unpackNumber(packed[9:])}
	c.position = position{unpackNumber(packed[1:]), shard}
	length, rest := int(packed[17])|int(packed[18])<<8, packed[changeBytes:]
	if c.kind == 0 || length > len(rest) {
		return change{}, errDamaged
	}
	c.key, c.packed = rest[:length], rest[length:]
	return c, nil
}

// event is c as watches deliver it, without its token.
func (c change) event() (store.Event, error) {
	if c.kind != store.Put {
		return store.Event{Type: c.kind, Entry: store.Entry{Key: c.key}}, nil
	}
	entry, err := unpackEntry(c.key, c.packed)
	return store.Event{Type: c.kind, Entry: entry}, err
}

// question is what to ask a shard about how far it is.
type question struct {
	shard   int
	after   uint64 // return changes behind this revision
	changes int    // how many at most; zero: none
	due     int    // how many keys at most that have expired and that nobody has heard of
}

// progress is how far a shard is.
type progress struct {
	epoch   uint64
	upto    uint64 // all changes up to this revision have been returned, and there will be no others
	last    uint64 // the revision of the last change
	due     []string
	changes []change // oldest first
	err     error
}

// whole says whether all changes have been returned. It may say no without need.
func (p progress) whole() bool {
	return len(p.changes) == 0 || p.changes[len(p.changes)-1].revision < p.upto
}

// askTimeout is how long a shard may take to say how far it is. Those that answer wait with it for those that do not.
const askTimeout = 3 * time.Second

// ask asks shards how far they are. All changes that are made after it has asked come behind what it had seen before.
func (e *Engine) ask(ctx context.Context, questions []question) []progress {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	parts := make([]part, len(questions))
	seen := e.seenText()
	for i, q := range questions {
		parts[i].call = call{
			function: "poll", keys: e.shards[q.shard].fixed,
			args: []string{seen, decimal(q.after), strconv.Itoa(q.changes), strconv.Itoa(q.due)},
		}
	}
	all := make([]progress, len(questions))
	for i, r := range e.send(asking, parts) {
		p := &all[i]
		p.err = p.read(questions[i].shard, read(r))
		switch {
		case p.err == nil:
			e.saw(p.upto)
		case ctx.Err() == nil && asking.Err() != nil:
			p.err = fmt.Errorf("%w: no answer in %v", store.ErrUnavailable, askTimeout)
		}
	}
	return all
}

func (p *progress) read(shard int, a answer) error {
	if a.err != nil {
		return unasked(a.err)
	}
	var err error
	for i, field := range []*uint64{&p.epoch, &p.upto, &p.last} {
		if *field, err = number(a.items, i); err != nil {
			return err
		}
	}
	if p.due, err = texts(a.items, 3); err != nil {
		return err
	}
	changes, err := texts(a.items, 4)
	if err != nil {
		return err
	}
	p.changes = make([]change, len(changes))
	for i, packed := range changes {
		if p.changes[i], err = unpackChange(shard, packed); err != nil {
			return err
		}
	}
	return nil
}

// cut is a place between the changes of some shards: all that were acknowledged before it was asked for come before
// it, and all that are made afterwards come behind it.
type cut struct {
	position
	epochs []uint64 // of the shards, in the order in which they were named; zero: it did not answer
}

// cut finds a cut through shards: behind what any of them has now. It asks a second time so that those which are not
// there yet skip to it. If some do not answer, it is the cut of the others, with an error.
func (e *Engine) cut(ctx context.Context, numbers []int) (c cut, err error) {
	c = cut{position: position{shard: len(e.shards)}, epochs: make([]uint64, len(numbers))}
	questions := make([]question, len(numbers))
	for i, number := range numbers {
		questions[i].shard = number
	}
	for i, p := range e.ask(ctx, questions) {
		err = cmp.Or(err, p.err)
		c.epochs[i], c.revision = p.epoch, max(c.revision, p.upto)
	}
	if len(numbers) == 1 {
		return c, e.closed(err)
	}
	for i, p := range e.ask(ctx, questions) {
		err = cmp.Or(err, p.err)
		c.epochs[i] = p.epoch
	}
	return c, e.closed(err)
}
