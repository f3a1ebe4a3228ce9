package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

// get returns the command that reads entries of one shard. Redis answers it without a function, and handles expiry
// itself.
func (e *Engine) get(names []string) rueidis.Completed {
	if len(names) == 1 {
		return e.client.B().Get().Key(names[0]).Build()
	}
	return e.client.B().Mget().Key(names...).Build()
}

// values parses the result of get: one value for each name. While a shard moves to another node, neither node may
// have all of its entries; they are then read one by one.
func (e *Engine) values(ctx context.Context, names []string, r rueidis.RedisResult) ([]rueidis.RedisMessage, error) {
	if len(names) == 1 {
		value, err := present(r)
		return []rueidis.RedisMessage{value}, err
	}
	if refused, ok := rueidis.IsRedisErr(r.Error()); !ok || !strings.HasPrefix(refused.Error(), "TRYAGAIN") {
		return r.ToArray()
	}
	commands := make([]rueidis.Completed, len(names))
	for i := range names {
		commands[i] = e.get(names[i : i+1])
	}
	values := make([]rueidis.RedisMessage, len(names))
	for i, r := range e.client.DoMulti(ctx, commands...) {
		var err error
		if values[i], err = present(r); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// readWhole reads the stored form of the entries of keys, with one command for each shard.
func (e *Engine) readWhole(ctx context.Context, keys []string) ([]rueidis.RedisMessage, error) {
	groups := e.byShard(len(keys), func(i int) string { return keys[i] })
	commands, names := make([]rueidis.Completed, len(groups)), make([][]string, len(groups))
	for i, group := range groups {
		names[i] = make([]string, len(group.indexes))
		for n, at := range group.indexes {
			names[i][n] = e.shards[group.shard].entry + keys[at]
		}
		commands[i] = e.get(names[i])
	}
	all := make([]rueidis.RedisMessage, len(keys))
	for i, r := range e.client.DoMulti(ctx, commands...) {
		values, err := e.values(ctx, names[i], r)
		if err != nil {
			return nil, err
		}
		for n, at := range groups[i].indexes {
			all[at] = values[n]
		}
	}
	return all, nil
}

// readHeaders reads the headers of the entries of keys; that of a missing entry is empty.
func (e *Engine) readHeaders(ctx context.Context, keys []string) ([]rueidis.RedisMessage, error) {
	commands := make([]rueidis.Completed, len(keys))
	for i, key := range keys {
		name := e.shards[shardOf(key, len(e.shards))].entry + key
		commands[i] = e.client.B().Getrange().Key(name).Start(0).End(headerBytes - 1).Build()
	}
	all := make([]rueidis.RedisMessage, len(keys))
	for i, r := range e.client.DoMulti(ctx, commands...) {
		var err error
		if all[i], err = r.ToMessage(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readSizes returns the length of the stored form of the entries of keys, zero if there is none.
func (e *Engine) readSizes(ctx context.Context, keys []string) ([]int, error) {
	commands := make([]rueidis.Completed, len(keys))
	for i, key := range keys {
		commands[i] = e.client.B().Strlen().Key(e.shards[shardOf(key, len(e.shards))].entry + key).Build()
	}
	sizes := make([]int, len(keys))
	for i, r := range e.client.DoMulti(ctx, commands...) {
		size, err := r.AsInt64()
		if err != nil {
			return nil, err
		}
		sizes[i] = int(size)
	}
	return sizes, nil
}

// present returns the reply of a node, which may be nil.
func present(r rueidis.RedisResult) (rueidis.RedisMessage, error) {
	value, err := r.ToMessage()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	return value, err
}

func (e *Engine) readGet(op store.Operation, packed string, err error) (store.Result, error) {
	if rueidis.IsRedisNil(err) {
		return e.missed(op)
	}
	if err != nil {
		return store.Result{}, readError(err)
	}
	return e.found(op, packed)
}

// missed returns the result of the get op, which found no entry.
func (e *Engine) missed(op store.Operation) (store.Result, error) {
	count(&e.misses, op)
	if op.AllowMissing {
		return store.Result{}, nil
	}
	return store.Result{}, store.ErrNotFound
}

func (e *Engine) found(op store.Operation, packed string) (store.Result, error) {
	entry, err := e.unpackEntry(op.Key, packed)
	if err == nil {
		count(&e.hits, op)
		e.observe(entry.Version.Revision)
	}
	return store.Result{Entry: entry}, err
}

// count counts the get op in reads, which are the hits or the misses.
func count(reads *atomic.Int64, op store.Operation) {
	if !op.Uncounted {
		reads.Add(1)
	}
}

var errDamaged = errors.New("unexpected data in Redis: not written by this program")

// headerBytes is the length of an entry's header: epoch, revision, and the millisecond of its expiry or 0. Each is a
// Lua number, which is exact up to 2^53.
const headerBytes = 24

// exact is the first integer that a Lua number may not represent.
const exact = 1 << 53

// unpackEntry parses an entry as functions.lua wrote it, and shows the times of its shard by the clock of this process.
// The value shares memory with packed.
func (e *Engine) unpackEntry(key, packed string) (store.Entry, error) {
	if len(packed) < headerBytes {
		return store.Entry{}, errDamaged
	}
	entry := store.Entry{
		Key:     key,
		Value:   bytesOf(packed[headerBytes:]),
		Version: store.Version{Epoch: unpackNumber(packed), Revision: unpackNumber(packed[8:])},
	}
	at, theirs := e.clock.Read(), &e.shards[shardOf(key, len(e.shards))].clock
	entry.UpdateTime = at.Wall(theirs.Instant(time.UnixMicro(int64(entry.Version.Revision))))
	if expires := unpackNumber(packed[16:]); expires != 0 {
		due := theirs.Instant(time.UnixMilli(int64(expires)))
		entry.ExpireTime, entry.TTL = at.Wall(due), at.Left(due)
	}
	return entry, nil
}

func unpackNumber(packed string) uint64 {
	return uint64(math.Float64frombits(binary.LittleEndian.Uint64(bytesOf(packed[:8]))))
}

// packVersion returns v as the start of a header. It reports false if no entry can have this version.
func packVersion(v store.Version) (string, bool) {
	if v.Epoch >= exact || v.Revision >= exact {
		return "", false
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], math.Float64bits(float64(v.Epoch)))
	binary.LittleEndian.PutUint64(b[8:], math.Float64bits(float64(v.Revision)))
	return string(b[:]), true
}

// bytesOf returns the bytes of s without copying them. The values of an engine are never modified.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// stringOf returns b as a string without copying it.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
