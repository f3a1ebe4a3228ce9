package wal_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// history is a random sequence of writes, steps, snapshots and starts on one simulated disk. At each call that changes the
// disk, the power is cut on a copy, which must then start with what had been told.
type history struct {
	r       *rand.Rand
	fsync   time.Duration
	time    time.Time
	crashes int
	log     []string
	found   error // the first contradiction

	disk     *simfs.Disk
	next     *simfs.Disk // what is left after the power was cut; nil: it is on
	killed   bool        // only the process was killed, at the last crash
	powerCut bool        // the power was cut since what is in appended was appended
	wal      *wal.Log
	changes  []wal.Change      // all that exist, in order
	commits  map[uint64]bool   // the revisions that end a commit
	written  map[uint64]uint64 // :: revision → the ID of the epoch that wrote it
	lost     []lostChange
	begun    uint64 // the last revision when the log was started, which it tells from then on
	appended []*ack // commits of this life
	snapshot *wal.Snapshot
	rest     []wal.Change // what the snapshot still needs

	lie       simfs.Op // calls that do nothing
	sameEpoch bool
	spoilLog  func(*wal.Log)
	spoilCut  func(*wal.Log, *wal.Snapshot)
}

// lostChange is a change that a crash took back.
type lostChange struct{ epoch, revision uint64 }

// ack is when a commit was appended and told.
type ack struct {
	revision    uint64
	begun, told time.Time // told is zero: not yet
}

func newHistory(seed uint64, fsync time.Duration) *history {
	return &history{
		r: rand.New(rand.NewPCG(seed, 1)), fsync: fsync, time: time.Unix(1e9, 0), disk: simfs.New(),
		commits: map[uint64]bool{}, written: map[uint64]uint64{},
	}
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *history) now() time.Time { return h.time }

func (h *history) fail(format string, args ...any) {
	if h.found == nil {
		h.found = fmt.Errorf(format, args...)
	}
}

func (h *history) story() string { return strings.Join(h.log[max(0, len(h.log)-60):], "\n") }

// options are small, so that there are many segments and snapshots.
func (h *history) options() wal.Options {
	o := wal.Options{Fsync: h.fsync, SegmentBytes: 1024, SnapshotBytes: 512, HistoryBytes: 512, Patience: 1, Epoch: h.r.Uint64() | 1}
	if h.sameEpoch {
		o.Epoch = 7
	}
	if h.r.IntN(3) == 0 {
		o.Revision = h.last() + h.r.Uint64N(5)
	}
	return o
}

// last returns the last revision.
func (h *history) last() uint64 {
	if len(h.changes) == 0 {
		return 0
	}
	return h.changes[len(h.changes)-1].Revision
}

// run runs a few lives, each until it is closed or the power is cut.
func (h *history) run() error {
	for life := 0; life < 4 && h.found == nil; life++ {
		h.live()
	}
	return h.found
}

var errPower = errors.New("the power was cut")

// live starts the log, works with it, and ends it.
func (h *history) live() {
	h.note("start")
	h.disk.Before = h.before
	if h.start(); h.wal != nil {
		h.work()
	}
	if h.next == nil {
		h.next = h.cut()
	}
	h.powerCut = h.powerCut || !h.killed
	h.disk, h.next, h.wal, h.snapshot = h.next, nil, nil, nil
}

// work works with the log, and may close it.
func (h *history) work() {
	if h.spoilLog != nil {
		h.spoilLog(h.wal)
	}
	for n := 5 + h.r.IntN(40); n > 0 && h.next == nil && h.found == nil; n-- {
		h.act()
		h.tell()
	}
	if h.next == nil && h.found == nil && h.r.IntN(2) == 0 {
		h.note("close")
		_ = h.wal.Close()
		h.tell()
	}
}

// cut returns what is left of the disk if the power is cut, or if the process is killed.
func (h *history) cut() *simfs.Disk {
	if h.killed = h.r.IntN(8) == 0; h.killed {
		return h.disk.Kill()
	}
	return h.disk.Crash(h.r)
}

// before is called before each change of the disk.
func (h *history) before(op simfs.Op, name string) error {
	if h.next != nil || h.found != nil {
		return errPower
	}
	h.note("  %s %s", op, name)
	h.tell()
	h.crashes++
	h.check(h.cut(), h.options())
	switch h.r.IntN(200) {
	case 0, 1, 2:
		h.note("the power is cut")
		h.next = h.cut()
		return errPower
	case 3:
		h.note("the disk fails")
		return simfs.ErrIO
	}
	return nil
}

// tell notes which commits may have been told.
func (h *history) tell() {
	if h.wal == nil {
		return
	}
	for _, a := range h.appended {
		if a.told.IsZero() && a.revision <= h.wal.Told() {
			a.told = h.time
		}
	}
}

// start starts the log on the disk. From then on, what has been lost is lost.
func (h *history) start() {
	h.appended = slices.DeleteFunc(h.appended, func(a *ack) bool { return a.told.IsZero() })
	found := &picture{}
	l, err := wal.OpenStill(h.fs(), h.options(), found, h.now)
	switch {
	case h.next != nil || errors.Is(err, simfs.ErrIO):
		return
	case err != nil:
		h.fail("start: %v", err)
		return
	}
	h.compare(l.Recovery(), found)
	last := l.Recovery().Last
	for len(h.changes) > 0 && h.last() > last {
		h.lost = append(h.lost, lostChange{h.written[h.last()], h.last()})
		delete(h.commits, h.last())
		delete(h.written, h.last())
		h.changes = h.changes[:len(h.changes)-1]
	}
	h.wal, h.begun, h.appended, h.powerCut = l, last, nil, false
	h.note("revision %d is the last one", last)
}

// fs returns the disk, or one that lies about what it does.
func (h *history) fs() vfs.FS {
	if h.lie == "" {
		return h.disk
	}
	return liar{h.disk, h.lie}
}

// check starts the log on a copy of what is left after a crash.
func (h *history) check(left *simfs.Disk, o wal.Options) {
	found := &picture{}
	l, err := wal.OpenStill(left, o, found, h.now)
	if err != nil {
		h.fail("a crash here leaves what does not start: %v", err)
		return
	}
	h.compare(l.Recovery(), found)
}

// compare compares what a start has found with what must be there.
func (h *history) compare(r wal.Recovery, found *picture) {
	if found.err != nil {
		h.fail("%v", found.err)
	}
	if r.Last != 0 && !h.commits[r.Last] {
		h.fail("revision %d is the last one after a crash, and ends no commit", r.Last)
		return
	}
	n := sort.Search(len(h.changes), func(i int) bool { return h.changes[i].Revision > r.Last })
	if got, want := found.state, stateOf(h.changes[:n]); !maps.EqualFunc(got, want, same) {
		h.fail("after a crash at revision %d there is %v, want %v", r.Last, got, want)
	}
	for _, c := range found.log {
		i, ok := slices.BinarySearchFunc(h.changes[:n], c.Revision, func(a wal.Change, r uint64) int { return cmp.Compare(a.Revision, r) })
		if !ok || !same(c, h.changes[i]) {
			h.fail("after a crash the log has %v", c)
		}
	}
	for _, c := range h.changes[:n] {
		if id := h.written[c.Revision]; r.Epochs.Of(c.Revision) != id || !r.Epochs.Has(id, c.Revision) {
			h.fail("revision %d is of epoch %d after a crash, want %d: %v", c.Revision, r.Epochs.Of(c.Revision), id, r.Epochs)
		}
	}
	for _, c := range h.changes[n:] {
		if r.Epochs.Has(h.written[c.Revision], c.Revision) {
			h.fail("revision %d was lost, and epoch %d still has it: %v", c.Revision, h.written[c.Revision], r.Epochs)
		}
	}
	for _, c := range h.lost {
		if r.Epochs.Has(c.epoch, c.revision) {
			h.fail("revision %d was lost before, and epoch %d has it again: %v", c.revision, c.epoch, r.Epochs)
		}
	}
	h.compareTold(r.Last)
}

// compareTold compares the last revision after a crash with those that were told.
func (h *history) compareTold(last uint64) {
	if last < h.begun {
		h.fail("revision %d was there at a start, and %d is the last one after a crash", h.begun, last)
	}
	var oldest *ack
	killed := h.killed && !h.powerCut
	for _, a := range h.appended {
		if a.told.IsZero() || a.revision <= last || h.fsync == wal.Never && !killed {
			continue
		}
		if oldest == nil {
			oldest = a
		}
		if window := a.told.Sub(oldest.begun); h.fsync <= 0 || killed || window > h.fsync {
			h.fail("revision %d was told, and %d is the last one after a crash (%v after the first loss)", a.revision, last, window)
		}
	}
}

// act does one thing.
func (h *history) act() {
	switch n := h.r.IntN(20); {
	case n < 8:
		h.append()
	case n < 12:
		h.note("step")
		_ = h.wal.Step()
	case n < 13:
		h.note("sync")
		_ = h.wal.SyncStep()
	case n < 14:
		h.time = h.time.Add(time.Duration(h.r.IntN(700)) * time.Millisecond)
	case n < 15:
		capacity := int64(0)
		if h.r.IntN(2) == 0 {
			capacity = h.disk.Used() + h.r.Int64N(400)
		}
		h.note("room for %d bytes", capacity)
		h.disk.SetCapacity(capacity)
	case h.snapshot == nil:
		h.cutLog()
	default:
		h.continueSnapshot()
	}
}

// append appends a commit, if there is room.
func (h *history) append() {
	if h.fsync > 0 && h.r.IntN(2) == 0 && h.wal.Admit(context.Background()) != nil {
		return
	}
	next, payload := max(h.last()+1, h.wal.Recovery().First), 0
	changes := make([]wal.Change, 1+h.r.IntN(4))
	for i := range changes {
		changes[i] = h.change(next + uint64(i))
		payload += len(changes[i].Key) + len(changes[i].Value)
	}
	if h.wal.Reserve(len(changes), payload, h.r.IntN(4) == 0) != nil {
		h.note("no room")
		return
	}
	epochs := h.wal.Recovery().Epochs
	for _, c := range changes {
		h.written[c.Revision] = epochs[len(epochs)-1].ID
	}
	h.note("append %d to %d", next, next+uint64(len(changes)-1))
	h.changes = append(h.changes, changes...)
	h.commits[h.last()] = true
	h.appended = append(h.appended, &ack{revision: h.last(), begun: h.time})
	h.wal.Append(changes)
}

// change returns a random change.
func (h *history) change(revision uint64) wal.Change {
	c := wal.Change{
		Kind: wal.Kind(1 + h.r.IntN(5)), Revision: revision, Updated: h.time.UnixNano(),
		Key: "key-" + strconv.Itoa(h.r.IntN(8)), Value: []byte{},
	}
	if c.Kind != wal.Put && h.r.IntN(2) == 0 {
		c.Kind = wal.Put
	}
	if c.Kind == wal.Put {
		c.Value = bytes.Repeat([]byte{byte(revision)}, h.r.IntN(60))
	}
	if c.Kind <= wal.Touch && h.r.IntN(3) == 0 {
		c.Deadline = c.Updated + h.r.Int64N(1e9) + 1
	}
	return c
}

// cutLog begins a snapshot.
func (h *history) cutLog() {
	s, err := h.wal.Cut()
	if err != nil {
		return
	}
	h.note("cut")
	if h.spoilCut != nil {
		h.spoilCut(h.wal, s)
	}
	state := stateOf(h.changes)
	h.snapshot, h.rest = s, nil
	for _, key := range slices.Sorted(maps.Keys(state)) {
		h.rest = append(h.rest, state[key])
	}
}

// continueSnapshot adds an entry, or ends the snapshot.
func (h *history) continueSnapshot() {
	s := h.snapshot
	switch {
	case h.r.IntN(20) == 0:
		h.note("discard")
		s.Discard()
		h.snapshot = nil
	case len(h.rest) > 0:
		n := 1 + h.r.IntN(len(h.rest))
		for _, c := range h.rest[:n] {
			if err := s.Add(c); err != nil {
				s.Discard()
				h.snapshot = nil
				return
			}
		}
		h.rest = h.rest[n:]
	case s.Ready():
		h.note("complete the snapshot")
		if s.Commit(context.Background()) != nil {
			s.Discard()
		}
		h.snapshot = nil
	}
}
