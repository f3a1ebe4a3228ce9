package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// batchBytes is how much input makes up one request of a batch that is not atomic, in bytes: far below what a server
// takes, even if that is an operation more.
const batchBytes = 1 << 20

func newBatch(getenv func(string) string) *cobra.Command {
	c, atomic := &connection{getenv: getenv}, false
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Carry out operations from standard input",
		Long: `Carry out operations from standard input, one JSON object a line, and print the result of each on a line of
its own: as the contract's messages Operation and OperationResult.

  {"get":{"key":"a"}}
  {"set":{"key":"a","value":"text","ttl":"60s","precondition":{"exists":false}}}
  {"set":{"key":"b","data":"AAEC"}}
  {"delete":{"key":"a","precondition":{"etag":"…"}}}
  {"touch":{"key":"a","ttl":"60s"}}
  {"increment":{"key":"n","delta":"5"}}

They are carried out in order, any number of them, each on its own; those that fail are reported in their result and do
not stop the others. With --atomic there are up to 1,000, and all take effect at one instant, or none does. The exit
code is that of the first operation that failed.`,
		Example: `  printf '%s\n' '{"set":{"key":"a","value":"1"}}' '{"get":{"key":"b"}}' | kv batch
  kv batch --atomic < transfer.ndjson
  kv ls --keys tmp/ | jq -cR '{delete:{key:.}}' | kv batch`,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.batch(cmd, atomic) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&atomic, "atomic", false, "all operations take effect at one instant, or none does")
	return cmd
}

func (c *connection) batch(cmd *cobra.Command, atomic bool) error {
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	promptFor(cmd, "operations, one a line")
	in := stdin(cmd)
	defer in.Close()
	b := &batcher{in: bufio.NewReaderSize(in, batchBytes), out: cmd.OutOrStdout()}
	if atomic {
		return b.once(func(ops []client.Operation) ([]client.Result, error) {
			ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
			defer cancel()
			return kv.AtomicBatch(ctx, ops...)
		})
	}
	return b.all(func(ops []client.Operation) ([]client.Result, error) {
		ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
		defer cancel()
		return kv.Batch(ctx, ops...)
	})
}

// batcher reads operations and prints their results.
type batcher struct {
	in     *bufio.Reader
	out    io.Writer
	line   int // the latest one that was read, from 1
	failed failures
}

// execute carries out operations.
type execute func([]client.Operation) ([]client.Result, error)

// once carries out all operations by one call.
func (b *batcher) once(call execute) error {
	var ops []operation
	for {
		op, err := b.next()
		if errors.Is(err, io.EOF) {
			return b.run(ops, call)
		}
		if err != nil {
			return err
		}
		if ops = append(ops, op); len(ops) > contract.MaxOperations {
			return fmt.Errorf("an atomic batch has at most %d operations, and line %d is one more: nothing was done", contract.MaxOperations, op.line)
		}
	}
}

// all carries out what has come so far by one call, and waits for more only when that is done: so whoever writes a
// line and waits for its result gets it. A line that is no operation is the last; those before it are done.
func (b *batcher) all(call execute) error {
	for {
		var ops []operation
		op, err := b.next()
		for size := 0; err == nil; op, err = b.next() {
			ops, size = append(ops, op), size+op.size
			if len(ops) == contract.MaxOperations || size >= batchBytes || !b.more() {
				break
			}
		}
		if runErr := b.run(ops, call); runErr != nil {
			return runErr
		}
		if errors.Is(err, io.EOF) {
			return b.failed.err()
		}
		if err != nil {
			return err
		}
	}
}

// more reports whether a whole line can be read without waiting.
func (b *batcher) more() bool {
	waiting, _ := b.in.Peek(b.in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// next reads the next operation; empty lines are none. It fails with [io.EOF] at the end.
func (b *batcher) next() (operation, error) {
	for {
		text, err := b.in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return operation{}, fmt.Errorf("read standard input: %w", err)
		}
		b.line++
		if text := bytes.TrimSpace(text); len(text) != 0 {
			op, err := parseOperation(text)
			op.line, op.size = b.line, len(text)
			if err != nil {
				err = fmt.Errorf("line %d of standard input: %w", b.line, err)
			}
			return op, err
		}
		if err != nil {
			return operation{}, err
		}
	}
}

// run carries out ops and prints their results.
func (b *batcher) run(ops []operation, call execute) error {
	if len(ops) == 0 {
		return nil
	}
	calls := make([]client.Operation, len(ops))
	for i, op := range ops {
		calls[i] = op.call
	}
	results, err := call(calls)
	if err != nil {
		return explainBatch(ops, err)
	}
	out := bufio.NewWriter(b.out)
	for i, result := range results {
		if result.Err != nil {
			result.Err = fmt.Errorf("line %d: %w", ops[i].line, result.Err)
		}
		b.failed.add(result.Err)
		if err := printJSON(out, newResultJSON(ops[i].kind, result)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// explainBatch says which lines an error is about.
func explainBatch(ops []operation, err error) error {
	first, last := ops[0].line, ops[len(ops)-1].line
	if e, ok := errors.AsType[*client.Error](err); ok {
		if i, ok := e.Operation(); ok && i < len(ops) {
			return fmt.Errorf("nothing was done because of line %d: %w", ops[i].line, err)
		}
	}
	if errors.Is(err, client.ErrUnavailable) {
		return fmt.Errorf("whether lines %d to %d were done is not known: %w", first, last, err)
	}
	return fmt.Errorf("lines %d to %d were not done: %w", first, last, err)
}
