package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"key-value/internal/keyrange"
	"key-value/kvservice/store"
)

const (
	// usualLimit is the capacity with which a page starts, in entries.
	usualLimit = 100
	// mostEntries is how many entries are read at a time at most. Their values are at most inlineBytes each.
	mostEntries = 256
	// levelEntries is how many are read first where a delimiter may roll up most of them.
	levelEntries = 16
)

// List returns a page of entries, as they are at one revision of etcd.
func (e *Engine) List(ctx context.Context, req store.ListRequest) (store.Page, error) {
	page, _, err := e.list(ctx, req)
	return page, e.closed(err)
}

// list returns a page, and the revision of etcd at which it was read.
func (e *Engine) list(ctx context.Context, req store.ListRequest) (store.Page, int64, error) {
	p := e.pager(req, min(mostEntries, req.Limit+1))
	page, err := p.page(ctx)
	if errors.Is(err, store.ErrResumeTooOld) {
		err = fmt.Errorf("%w: etcd was compacted while a page was read", store.ErrUnavailable)
	}
	return page, p.revision, err
}

func (p *pager) page(ctx context.Context) (store.Page, error) {
	req, size := p.request, 0
	page := store.Page{Entries: make([]store.Entry, 0, min(req.Limit, usualLimit))}
	for {
		found, ok, err := p.next(ctx)
		if err != nil {
			return store.Page{}, err
		}
		if !ok {
			break
		}
		length := len(found.key)
		if !found.rolled && !req.KeysOnly {
			length += found.now.size
		}
		if n := page.Len(); n == req.Limit || n > 0 && size+length > req.MaxBytes {
			page.More = true
			break
		}
		size += length
		if found.rolled {
			page.Prefixes = append(page.Prefixes, found.key)
			continue
		}
		shown := found.now.show(found.key, found.mod, p.now)
		if !req.KeysOnly {
			if err := p.fill(ctx, &found.cell); err != nil {
				return store.Page{}, err
			}
			shown = found.now.showWhole(found.key, found.mod, p.now)
		}
		page.Entries = append(page.Entries, shown)
	}
	return page, nil
}

// listed is an entry of a listing, or a rolled-up prefix, which has nothing but its key.
type listed struct {
	cell
	rolled bool
}

// pager reads entries in the order of a listing, as they are at one revision.
type pager struct {
	engine   *Engine
	request  store.ListRequest
	rest     keyrange.Range // what has not been read
	entries  int            // how many entries to read next
	most     int            // how many at a time at most
	revision int64          // zero: the latest, when something is read first
	now      int64          // what has expired by then is not listed
	found    []*mvccpb.KeyValue
	done     bool   // whether nothing follows found
	rolled   string // the latest rolled-up prefix
	expired  func(key string)
}

func (e *Engine) pager(req store.ListRequest, entries int) *pager {
	p := &pager{engine: e, request: req, rest: req.Rest(), entries: entries, most: mostEntries, now: time.Now().UnixNano()}
	if req.Delimiter != "" {
		p.entries = min(entries, levelEntries)
	}
	return p
}

// next returns the next entry or rolled-up prefix, or false if there is none.
func (p *pager) next(ctx context.Context) (listed, bool, error) {
	for {
		if len(p.found) == 0 {
			if p.done || p.rest.Empty() {
				return listed{}, false, nil
			}
			if err := p.read(ctx); err != nil {
				return listed{}, false, err
			}
			continue
		}
		kv := p.found[0]
		p.found[0], p.found = nil, p.found[1:]
		key := string(kv.Key[len(p.engine.names.entries):])
		if p.rolled != "" && strings.HasPrefix(key, p.rolled) {
			continue
		}
		c, err := newCell(key, []*mvccpb.KeyValue{kv})
		if err != nil {
			return listed{}, false, err
		}
		if !c.now.live(p.now) {
			if p.expired != nil {
				p.expired(key)
			}
			continue
		}
		if prefix, rolled := p.request.RollUp(key); rolled {
			p.rolled = prefix
			p.seek(key)
			return listed{cell{key: prefix}, true}, true, nil
		}
		return listed{*c, false}, true, nil
	}
}

// seek goes on after the keys that are rolled up like key, if not all of them have been read.
func (p *pager) seek(key string) {
	n := len(p.engine.names.entries)
	if len(p.found) > 0 && !strings.HasPrefix(string(p.found[len(p.found)-1].Key[n:]), p.rolled) {
		return
	}
	p.found, p.rest, p.entries = nil, p.request.Beyond(p.rest, key), levelEntries
}

// read reads the next entries.
func (p *pager) read(ctx context.Context) error {
	names := p.engine.names
	req := &pb.RangeRequest{
		Key: names.entry(p.rest.Start), RangeEnd: end(names.entries), Limit: int64(p.entries), Revision: p.revision,
	}
	if p.rest.End != "" {
		req.RangeEnd = names.entry(p.rest.End)
	}
	if p.request.Reverse {
		if err := p.narrow(ctx, req); err != nil {
			return err
		}
		req.SortTarget, req.SortOrder = pb.RangeRequest_KEY, pb.RangeRequest_DESCEND
	}
	answer, err := p.engine.readAt(ctx, req)
	if err != nil {
		return err
	}
	p.revision, p.found = firstRevision(p.revision, answer), answer.Kvs
	size := 0
	for _, kv := range p.found {
		size += len(kv.Key) + len(kv.Value)
	}
	p.advance(req, answer)
	p.entries = min(p.most, 2*p.entries)
	return p.reserve(size)
}

// advance sets rest to what follows an answer.
func (p *pager) advance(req *pb.RangeRequest, answer *pb.RangeResponse) {
	n := len(p.engine.names.entries)
	switch last := len(answer.Kvs) - 1; {
	case last >= 0 && p.request.Reverse:
		p.rest = p.rest.Before(string(answer.Kvs[last].Key[n:]))
	case last >= 0:
		p.rest = p.rest.From(keyrange.Next(string(answer.Kvs[last].Key[n:])))
	}
	narrowed := p.request.Reverse && string(req.Key) > p.engine.names.entries+p.rest.Start
	p.done = !answer.More && !narrowed
}

// firstRevision returns the revision at which something is read again.
func firstRevision(known int64, answer *pb.RangeResponse) int64 {
	if known != 0 {
		return known
	}
	return answer.Header.Revision
}

func (p *pager) reserve(n int) error {
	if p.request.Reserve == nil {
		return nil
	}
	return p.request.Reserve(n)
}

// fill reads the value of c, if it is long.
func (p *pager) fill(ctx context.Context, c *cell) error {
	if !c.now.long {
		return nil
	}
	if err := p.reserve(c.now.size); err != nil {
		return err
	}
	answer, err := p.engine.readAt(ctx, &pb.RangeRequest{Key: p.engine.names.value(c.key), Revision: p.revision})
	if err != nil {
		return err
	}
	return c.fill(answer.Kvs)
}

// readAt is read at a revision that etcd may no longer have, which is [store.ErrResumeTooOld].
func (e *Engine) readAt(ctx context.Context, req *pb.RangeRequest) (*pb.RangeResponse, error) {
	answer, err := e.read(ctx, req)
	if isError(err, rpctypes.ErrGRPCCompacted) || isError(err, rpctypes.ErrGRPCFutureRev) {
		err = store.ErrResumeTooOld
	}
	return answer, err
}

// narrow moves the start of req up until no more entries follow it than are read at a time. To sort them, etcd reads all
// entries of a range; to count them, it reads none.
func (p *pager) narrow(ctx context.Context, req *pb.RangeRequest) error {
	for low, mid := req.Key, req.Key; mid != nil; mid = middle(low, req.RangeEnd) {
		answer, err := p.engine.readAt(ctx, &pb.RangeRequest{Key: mid, RangeEnd: req.RangeEnd, CountOnly: true, Revision: p.revision})
		if err != nil {
			return err
		}
		p.revision = firstRevision(p.revision, answer)
		switch {
		case answer.Count > mostEntries:
			low = mid
		case answer.Count > 0 || slices.Equal(mid, low):
			req.Key = mid
			return nil
		default:
			req.RangeEnd = mid
		}
	}
	return errDamaged // more entries than names
}

// middle returns about the middle of two names, or nil if there is none between them.
func middle(low, high []byte) []byte {
	n := max(len(low), len(high)) + 1
	a, b, sum := make([]byte, n), make([]byte, n), make([]byte, n)
	copy(a, low)
	copy(b, high)
	carry := 0
	for i := n - 1; i >= 0; i-- {
		carry += int(a[i]) + int(b[i])
		sum[i], carry = byte(carry), carry>>8
	}
	for i := range sum { // half of it
		carry = carry<<8 | int(sum[i])
		sum[i], carry = byte(carry/2), carry%2
	}
	sum = slices.Clip(sum[:len(strings.TrimRight(string(sum), "\x00"))])
	if string(sum) <= string(low) || string(sum) >= string(high) {
		return nil
	}
	return sum
}
