package etcd

import (
	"errors"
	"strconv"

	"key-value/kvservice/store"
)

// expireKind is the kind of an operation of the sweeper: it removes an entry that has expired.
const expireKind store.Kind = 0xff

var errKind = errors.New("unknown kind of operation")

// cell is one key in a transaction.
type cell struct {
	key    string
	mod    int64 // etcd's revision of the entry before the transaction; zero: there was none
	before entry // the entry then
	exists bool  // whether there is an entry now
	now    entry // that entry
	last   int   // the change that made it, from 1; zero: none
	values int   // how many changes have replaced the value
}

// known returns the version that the entry has now. It reports false if it does not have one yet, which nobody can know.
func (c *cell) known() (store.Version, bool) {
	return store.Version{Epoch: c.now.run, Revision: revisionOf(c.mod, int(c.now.index))}, c.last == 0
}

// attempt is the carrying out of a group on what is known of its keys. It can be repeated when more is known.
type attempt struct {
	run     uint64
	now     int64
	cells   map[string]*cell
	order   []*cell // of their first use
	changes []change
	totals  totals
	results [][]result // :: part → those of its operations
	errs    []error    // :: part → its error, if it is atomic
}

// result is what an operation returns once etcd's revision is known.
type result struct {
	store.Result
	shown entry // the entry
	has   bool  // whether there is one
	mod   int64 // its revision; zero: that of the transaction
	index int   // the change that a delete made, from 1; zero: none
	hit   bool  // what a get counts as
	miss  bool
}

func (a *attempt) apply(g *group) {
	a.results, a.errs = make([][]result, len(g.parts)), make([]error, len(g.parts))
	for i, p := range g.parts {
		a.results[i] = make([]result, p.to-p.from)
		undo := func() {}
		if p.call.atomic {
			undo = a.remember(p.ops())
		}
		room := store.BatchBytes
		for n, op := range p.ops() {
			r, err := a.do(op)
			if err == nil && op.Kind == store.Get && len(p.ops()) > 1 && r.has {
				if room -= r.shown.size; room < 0 && n > 0 {
					r, err = result{}, store.ErrLeftOut
				}
			}
			if r.Err = err; err != nil && p.call.atomic && !errors.Is(err, store.ErrLeftOut) {
				undo()
				a.errs[i] = &store.BatchError{Index: n, Err: err}
				break
			}
			a.results[i][n] = r
		}
	}
}

// remember returns a function that makes everything as it is now.
func (a *attempt) remember(ops []store.Operation) func() {
	cells, changes, totals := map[string]cell{}, len(a.changes), a.totals
	for _, op := range ops {
		cells[op.Key] = *a.cells[op.Key]
	}
	return func() {
		for key, c := range cells {
			*a.cells[key] = c
		}
		a.changes, a.totals = a.changes[:changes], totals
	}
}

func (a *attempt) do(op store.Operation) (result, error) {
	c := a.cells[op.Key]
	live := c.exists && c.now.live(a.now)
	switch op.Kind {
	case store.Get:
		return a.get(op, c, live)
	case store.Increment:
		return a.increment(op, c, live)
	case expireKind:
		if c.exists && !live {
			a.removeExpired(c)
		}
		return result{}, nil
	case store.Set, store.Delete, store.Touch:
	default:
		return result{}, errKind
	}
	if err := c.check(op.Precondition, live); err != nil {
		return result{}, err
	}
	switch {
	case op.Kind == store.Delete:
		return a.remove(c, live), nil
	case op.Kind == store.Touch && !live:
		return result{}, store.ErrNotFound
	case op.Kind == store.Touch:
		return a.put(c, store.Touched, c.now.value, c.now.size, a.deadline(op)), nil
	}
	expires := a.deadline(op)
	if op.KeepTTL {
		if expires = 0; live {
			expires = c.now.expires
		}
	}
	r := a.put(c, store.Put, op.Value, len(op.Value), expires)
	r.Changed = !live
	return r, nil
}

// check checks a precondition. A version that is not known yet matches none.
func (c *cell) check(p store.Precondition, live bool) error {
	v, known := c.known()
	if _, requires := p.Version(); requires && !known {
		return store.ErrVersionMismatch
	}
	return p.Check(live, v)
}

func (a *attempt) deadline(op store.Operation) int64 {
	if op.TTL == 0 {
		return 0
	}
	return a.now + int64(op.TTL)
}

func (a *attempt) get(op store.Operation, c *cell, live bool) (result, error) {
	r := result{hit: live && !op.Uncounted, miss: !live && !op.Uncounted}
	if !live && !op.AllowMissing {
		return r, store.ErrNotFound
	}
	if live {
		r.has, r.shown = true, c.now
		if r.Entry.Value = c.now.value; r.Entry.Value == nil {
			r.Entry.Value = []byte{}
		}
		if c.last == 0 {
			r.mod = c.mod
		}
	}
	return r, nil
}

func (a *attempt) increment(op store.Operation, c *cell, live bool) (result, error) {
	from, expires := op.Initial, a.deadline(op)
	if live {
		n, ok := parseInteger(c.now.value)
		if !ok || c.now.long {
			return result{}, store.ErrNotInteger
		}
		from, expires = n, c.now.expires
	}
	sum := from + op.Delta
	if (sum < from) != (op.Delta < 0) {
		return result{}, store.ErrOverflow
	}
	value := strconv.AppendInt(nil, sum, 10)
	r := a.put(c, store.Put, value, len(value), expires)
	r.Sum = sum
	return r, nil
}

// parseInteger parses an integer in the form that increments write: no plus sign, leading zeros or spaces.
func parseInteger(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	var buf [20]byte
	return n, err == nil && string(strconv.AppendInt(buf[:0], n, 10)) == string(text)
}

// put makes a new version of an entry. A touch of a long value, which has not been read, leaves that as it is.
func (a *attempt) put(c *cell, kind store.EventType, value []byte, size int, expires int64) result {
	if c.exists && !c.now.live(a.now) {
		a.removeExpired(c)
	}
	if c.exists {
		a.totals.bytes -= entryBytes(c.key, c.now)
	} else {
		a.totals.keys++
	}
	if kind == store.Put {
		c.values++
	}
	c.exists = true
	c.now = entry{
		run: a.run, index: uint16(len(a.changes)), updated: a.now, expires: expires, long: size > inlineBytes, size: size, value: value,
	}
	a.totals.bytes += entryBytes(c.key, c.now)
	a.record(c, kind)
	return result{shown: c.now, has: true}
}

func (a *attempt) record(c *cell, kind store.EventType) {
	a.changes = append(a.changes, change{kind: kind, key: c.key, entry: c.now})
	c.last = len(a.changes)
}

func (a *attempt) remove(c *cell, live bool) result {
	if !live {
		return result{}
	}
	a.drop(c, store.Deleted)
	return result{Result: store.Result{Changed: true}, index: len(a.changes)}
}

func (a *attempt) removeExpired(c *cell) {
	a.totals.expirations++
	a.drop(c, store.Expired)
}

func (a *attempt) drop(c *cell, kind store.EventType) {
	a.totals.keys--
	a.totals.bytes -= entryBytes(c.key, c.now)
	c.exists, c.now = false, entry{}
	a.record(c, kind)
}
