package redis

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"key-value/kvservice/store"
)

//go:embed functions.lua
var functions string

// library is the name of this version of the functions. Other versions have other names, so that programs of two
// versions can use the same data while one replaces the other.
var library = func() string {
	sum := sha256.Sum256([]byte(functions))
	return "kv_" + hex.EncodeToString(sum[:5])
}()

// call is a call of a function.
type call struct {
	function   string
	keys, args []string
}

func (e *Engine) command(c call) rueidis.Completed {
	return e.client.B().Fcall().Function(library + "_" + c.function).Numkeys(int64(len(c.keys))).
		Key(c.keys...).Arg(c.args...).Build()
}

// answer is the result of a function.
type answer struct {
	items []rueidis.RedisMessage
	err   error
}

// call calls one function that writes.
func (e *Engine) call(ctx context.Context, c call) answer {
	return read(e.write(ctx, []part{{call: c}})[0])
}

// send sends commands concurrently, each once. A function that a node does not know yet is called again after it is
// loaded.
func (e *Engine) send(ctx context.Context, parts []part) []rueidis.RedisResult {
	results := e.multi(ctx, len(parts), func(i int) rueidis.Completed { return parts[i].command(e) })
	loaded := false
	for i, r := range results {
		if !isUnknown(r.Error()) {
			continue
		}
		if !loaded && e.load(ctx) != nil {
			break
		}
		loaded = true
		results[i] = e.client.Do(ctx, parts[i].command(e))
	}
	return results
}

// multi sends n commands concurrently. If the client knows no primary for the slot of one of them, it sends none; each is
// then sent by itself, so that a lost shard fails no other commands.
func (e *Engine) multi(ctx context.Context, n int, command func(i int) rueidis.Completed) []rueidis.RedisResult {
	commands := make([]rueidis.Completed, n)
	for i := range commands {
		commands[i] = command(i)
	}
	results := e.client.DoMulti(ctx, commands...)
	if n < 2 || !errors.Is(results[0].Error(), rueidis.ErrNoSlot) {
		return results
	}
	var sending sync.WaitGroup
	for i := range results {
		sending.Go(func() { results[i] = e.client.Do(ctx, command(i)) })
	}
	sending.Wait()
	return results
}

const (
	// moveTimeout is how long a write waits for a slot that moves to another node. Meanwhile neither node accepts writes
	// of its shard.
	moveTimeout = 5 * time.Second
	// A write is tried again after moveDelay, and after twice as long each time, up to maxMoveDelay.
	moveDelay, maxMoveDelay = 10 * time.Millisecond, 200 * time.Millisecond
)

// write is send for parts of which some write. Those that a node rejected because their slot moves are sent again for
// moveTimeout at most, which is safe: such a node has changed nothing.
func (e *Engine) write(ctx context.Context, parts []part) []rueidis.RedisResult {
	results := e.send(ctx, parts)
	delay, deadline := moveDelay, time.Time{}
	for {
		var moving []int
		for i, r := range results {
			if len(parts[i].gets) == 0 && isMoving(r.Error()) {
				moving = append(moving, i)
			}
		}
		if len(moving) == 0 {
			return results
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(moveTimeout)
		}
		if time.Now().Add(delay).After(deadline) {
			return results
		}
		select {
		case <-ctx.Done():
			return results
		case <-time.After(delay):
		}
		delay = min(2*delay, maxMoveDelay)
		again := make([]part, len(moving))
		for n, i := range moving {
			again[n] = parts[i]
		}
		for n, r := range e.send(ctx, again) {
			results[moving[n]] = r
		}
	}
}

// isMoving reports whether a node rejected a command because the slot of its keys is moving to another node.
func isMoving(err error) bool {
	refused, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	_, moved := refused.IsMoved()
	_, ask := refused.IsAsk()
	return moved || ask || refused.IsTryAgain()
}

func read(r rueidis.RedisResult) answer {
	items, err := r.ToArray()
	return answer{items, callError(err)}
}

// isUnknown reports whether a node rejected a function because it is not loaded.
func isUnknown(err error) bool {
	refused, ok := rueidis.IsRedisErr(err)
	return ok && strings.Contains(refused.Error(), "Function not found")
}

// load loads the functions on every primary. They are stored and replicated with the data, so this is needed only
// once, and for new nodes.
func (e *Engine) load(ctx context.Context) error {
	source := "#!lua name=" + library + "\n" + strings.ReplaceAll(functions, "PREFIX", library)
	var first error
	for _, node := range e.client.Nodes() {
		err := node.Do(ctx, node.B().FunctionLoad().Replace().FunctionCode(source).Build()).Error()
		if refused, ok := rueidis.IsRedisErr(err); ok && isReplica(refused) {
			continue
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// isReplica reports whether a node rejected a write because it is a replica.
func isReplica(err *rueidis.RedisError) bool {
	return strings.HasPrefix(err.Error(), "READONLY")
}

// number returns item i as a nonnegative integer.
func number(items []rueidis.RedisMessage, i int) (uint64, error) {
	if i >= len(items) {
		return 0, errDamaged
	}
	n, err := items[i].AsInt64()
	if err != nil || n < 0 {
		return 0, errDamaged
	}
	return uint64(n), nil
}

// text returns item i as a string.
func text(items []rueidis.RedisMessage, i int) (string, error) {
	if i >= len(items) {
		return "", errDamaged
	}
	s, err := items[i].ToString()
	if err != nil {
		return "", errDamaged
	}
	return s, nil
}

// texts returns item i as strings.
func texts(items []rueidis.RedisMessage, i int) ([]string, error) {
	if i >= len(items) {
		return nil, errDamaged
	}
	all, err := items[i].AsStrSlice()
	if err != nil {
		return nil, errDamaged
	}
	return all, nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// readError returns the error of a read that failed with err.
func readError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// callError returns the error of a function that failed with err. A node that rejected it changed nothing; one that
// did not answer may have carried it out.
func callError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if refused, ok := rueidis.IsRedisErr(err); ok {
		return replyError(refused)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || errors.Is(err, rueidis.ErrNoSlot) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnknownOutcome, err)
}

// pollError is callError for a function that changes nothing for the caller, so that it does not matter whether it
// ran.
func pollError(err error) error {
	if errors.Is(err, store.ErrUnknownOutcome) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return err
}

// unavailablePrefixes begin the errors of a node that cannot serve now: the cluster has lost slots or is moving them,
// or the node is loading data, is a replica, has no replicas to write to, cannot persist, is busy with a function, or
// rejects the credentials.
var unavailablePrefixes = []string{
	"CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "MISCONF", "BUSY",
	"NOAUTH", "NOPERM", "WRONGPASS", "UNKILLABLE",
}

// replyError returns the error for a node's error reply. A reply of an unknown kind is a defect and is returned
// unchanged.
func replyError(err *rueidis.RedisError) error {
	message := err.Error()
	if strings.HasPrefix(message, "OOM") {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	for _, prefix := range unavailablePrefixes {
		if strings.HasPrefix(message, prefix) || isUnknown(err) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
	return err
}
