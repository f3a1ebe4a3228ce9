package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// batchBytes is the size of the input, in bytes, that ends one request of a batch that is not atomic. Even with the
// operation that exceeds it, a request stays far below what a server accepts.
const batchBytes = 1 << 20

func newBatch(getenv func(string) string) *cobra.Command {
	c, atomic := &connection{getenv: getenv}, false
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Run operations from standard input",
		Long: `Run operations from standard input and print their results, each as a JSON
object on a line. Operations and results are the messages Operation and
OperationResult of the API:

    {"get":{"key":"a"}}
    {"set":{"key":"a","value":"x","ttl":"60s","precondition":{"exists":false}}}
    {"set":{"key":"b","data":"AAEC"}}
    {"delete":{"key":"a","precondition":{"etag":"…"}}}
    {"touch":{"key":"a","ttl":"60s"}}
    {"increment":{"key":"n","delta":"5"}}

A ttl may also be in other units, such as 5m, 24h, 7d or 2w.

Operations run in order, without a limit on their number. A failed operation is
reported in its result and does not stop the ones after it. With --atomic, up to
1,000 operations take effect together, or none does.

The exit code is that of the first operation that failed.`,
		Example: `  echo '{"increment":{"key":"n","delta":"5"}}' | kv batch
  kv batch --atomic < transfer.ndjson
  kv ls --keys tmp/ -o json | jq -c '{delete:{key}}' | kv batch`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.batch(cmd, atomic) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	writing(cmd)
	cmd.Flags().BoolVar(&atomic, "atomic", false, "apply all operations atomically, or none; at most 1,000")
	return cmd
}

func (c *connection) batch(cmd *cobra.Command, atomic bool) error {
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	promptFor(cmd, "operations, one per line")
	in := stdin(cmd)
	defer in.Close()
	b := &batcher{in: bufio.NewReaderSize(in, batchBytes), out: cmd.OutOrStdout()}
	run, call := b.stream, kv.Batch
	if atomic {
		run, call = b.atomic, kv.AtomicBatch
	}
	return run(func(ops []client.Operation) ([]client.Result, error) {
		ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
		defer cancel()
		return call(ctx, ops...)
	})
}

// batcher reads operations and prints their results.
type batcher struct {
	in     *bufio.Reader
	out    io.Writer
	line   int // number of the last line read, from 1
	failed failures
}

// execute runs operations as one call.
type execute func([]client.Operation) ([]client.Result, error)

// atomic runs all operations as one call.
func (b *batcher) atomic(call execute) error {
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
			return fmt.Errorf("line %d exceeds the limit of %d operations in an atomic batch: nothing was changed", op.line, contract.MaxOperations)
		}
	}
}

// stream runs the lines that have arrived as one call, and reads more only after that: a program that writes a line
// and waits for the result gets it. An invalid line ends the batch after the lines before it have run.
func (b *batcher) stream(call execute) error {
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

// more reports whether a whole line can be read without blocking.
func (b *batcher) more() bool {
	waiting, _ := b.in.Peek(b.in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// next returns the next operation, skipping empty lines, and [io.EOF] at the end.
func (b *batcher) next() (operation, error) {
	for {
		text, err := b.in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return operation{}, fmt.Errorf("read standard input: %w", err)
		}
		if b.line++; b.line == 1 {
			text = messagejson.TrimMark(text)
		}
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

// run executes ops as one call and prints the results.
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

// withoutIndex removes the index of an operation from the message of err, for those who do not know it.
func withoutIndex(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		if i, ok := e.Operation(); ok {
			return reworded{err, strings.Replace(err.Error(), fmt.Sprintf("operation %d: ", i), "", 1)}
		}
	}
	return err
}

// reworded is an error with another message.
type reworded struct {
	error
	message string
}

func (r reworded) Error() string { return r.message }

// Unwrap returns the error with its own message.
func (r reworded) Unwrap() error { return r.error }

// explainBatch adds the lines that err is about, and whether they took effect.
func explainBatch(ops []operation, err error) error {
	run := lineRange(int64(ops[0].line), int64(ops[len(ops)-1].line))
	if e, ok := errors.AsType[*client.Error](err); ok {
		if i, ok := e.Operation(); ok && i < len(ops) {
			return fmt.Errorf("nothing was changed; line %d failed: %w", ops[i].line, withoutIndex(err))
		}
	}
	if errors.Is(err, client.ErrUnavailable) {
		return fmt.Errorf("outcome of %s unknown: %w", run, err)
	}
	return fmt.Errorf("%s did not run: %w", run, err)
}

// lineRange names the lines from first to last.
func lineRange(first, last int64) string {
	if first == last {
		return fmt.Sprint("line ", first)
	}
	return fmt.Sprintf("lines %d to %d", first, last)
}
