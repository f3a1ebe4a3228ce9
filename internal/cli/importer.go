package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"key-value/client"
)

const (
	// importEntries and importBytes bound what one call writes: entries, and bytes of their lines.
	importEntries = 500
	importBytes   = 1 << 20
	// importCalls is the number of concurrent calls.
	importCalls = 4
	// refusalsShown is the number of entries that are reported one by one: rejected ones, and expired ones.
	refusalsShown = 20
)

// importer writes the lines of an export to the store. Several batches are pending at a time, but their results are
// counted in order, so that it is always known up to which line everything is done.
type importer struct {
	kv         *client.Client
	timeout    time.Duration // of one batch
	createOnly bool
	log        io.Writer
	progress   *progress
	save       func(position) // called after each batch that is done

	pending []*importBatch // oldest first
	done    position
	counts  importCounts
}

// importBatch is what one call writes.
type importBatch struct {
	entries []importEntry
	keys    map[string]bool
	end     position      // of its last line
	bytes   int64         // of the input, up to its last line
	expired []expiredLine // entries on its lines that have expired and are not written
	written chan struct{} // closed once errs and err are set
	errs    []error       // one per entry
	err     error         // of the call as a whole: any of its entries may have been written
}

// run imports the lines of in after from. When ctx is done, it waits for pending batches and starts no more.
func (im *importer) run(ctx context.Context, in io.Reader, from position) error {
	lines := newImportLines(in)
	if err := lines.skip(from); err != nil {
		return err
	}
	for {
		batch, end := lines.batch(time.Now())
		if err := im.waitFor(batch); err != nil {
			return errors.Join(err, im.wait(0))
		}
		im.start(context.WithoutCancel(ctx), batch)
		if ctx.Err() != nil { // wins over EOF: an interrupt from the terminal also ends the program that writes our input
			end = interruption{ctx.Err()}
		}
		if end != nil {
			err := im.wait(0)
			if err == nil && !errors.Is(end, io.EOF) {
				err = end
			}
			return err
		}
	}
}

// waitFor waits until batch can start: until fewer than importCalls others are pending, and none that writes one of
// its keys, because the last line with a key must win.
func (im *importer) waitFor(batch *importBatch) error {
	if err := im.wait(importCalls - 1); err != nil {
		return err
	}
	for i, other := range slices.Backward(im.pending) {
		for key := range batch.keys {
			if other.keys[key] {
				return im.wait(len(im.pending) - 1 - i)
			}
		}
	}
	return nil
}

func (im *importer) start(ctx context.Context, batch *importBatch) {
	im.pending = append(im.pending, batch)
	go func() {
		defer close(batch.written)
		batch.errs, batch.err = im.write(ctx, batch.entries)
	}()
}

// wait waits until at most n batches are pending, and counts the results of the others. After the first failure it
// waits for all of them but counts no more.
func (im *importer) wait(n int) error {
	for len(im.pending) > n {
		oldest := im.pending[0]
		im.pending = im.pending[1:]
		<-oldest.written
		if err := im.count(oldest); err != nil {
			for _, b := range im.pending {
				<-b.written
			}
			im.pending = nil
			return err
		}
	}
	return nil
}

// count counts the results of a batch, up to an error that ends the import.
func (im *importer) count(b *importBatch) error {
	if b.err != nil {
		return fmt.Errorf("line %d or after: %w", im.done.Line+1, b.err)
	}
	for i, err := range b.errs {
		entry := b.entries[i]
		switch {
		case err == nil:
			im.counts.written++
		case im.createOnly && errors.Is(err, client.ErrExists):
			im.counts.existing++
		case rejectsEntry(err):
			im.reject(entry.at.Line, err)
		default:
			return fmt.Errorf("line %d: %w", entry.at.Line, err)
		}
		im.done = entry.at
	}
	for _, e := range b.expired {
		im.drop(e)
	}
	im.done = b.end
	im.save(im.done)
	im.progress.show(im.counts.all(), b.bytes)
	return nil
}

// rejectsEntry reports whether err concerns one entry only, so that the import can continue.
func rejectsEntry(err error) bool {
	return errors.Is(err, client.ErrInvalid) || errors.Is(err, client.ErrTooLarge) || errors.Is(err, client.ErrPermissionDenied)
}

func (im *importer) reject(line int64, err error) {
	im.counts.rejected++
	im.report(im.counts.rejected, "rejections", "line %d rejected: %v", line, err)
}

func (im *importer) drop(e expiredLine) {
	im.counts.expired++
	im.report(im.counts.expired, "expired entries", "line %d dropped: it expired at %s by the clock of this machine",
		e.line, e.at.Format(time.RFC3339))
}

// report writes why an entry is not imported, the n-th of its kind, unless there have been too many.
func (im *importer) report(n int64, kind, format string, args ...any) {
	if n > refusalsShown {
		return
	}
	im.progress.clear()
	note(im.log, format, args...)
	if n == refusalsShown {
		note(im.log, "further %s are only counted", kind)
	}
}

// write writes entries in one call, or in several if that is too large, and returns an error for each entry.
func (im *importer) write(ctx context.Context, entries []importEntry) ([]error, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	results, err := im.call(ctx, entries)
	switch {
	case errors.Is(err, client.ErrTooLarge) && len(entries) == 1:
		return []error{err}, nil
	case errors.Is(err, client.ErrTooLarge):
		half := len(entries) / 2
		first, err := im.write(ctx, entries[:half])
		if err != nil {
			return nil, err
		}
		second, err := im.write(ctx, entries[half:])
		return append(first, second...), err
	case err != nil:
		return nil, err
	}
	errs := make([]error, len(results))
	for i, result := range results {
		errs[i] = result.Err
	}
	return errs, nil
}

// call makes one call, and repeats it while the store is overloaded, until the timeout.
func (im *importer) call(ctx context.Context, entries []importEntry) ([]client.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, im.timeout)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		results, err := im.kv.Batch(ctx, im.operations(entries)...)
		if !errors.Is(err, client.ErrOverloaded) {
			return results, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (im *importer) operations(entries []importEntry) []client.Operation {
	ops := make([]client.Operation, len(entries))
	for i, e := range entries {
		var options []client.WriteOption
		if e.ttl != 0 {
			options = append(options, e.ttl)
		}
		if im.createOnly {
			options = append(options, client.IfAbsent())
		}
		ops[i] = client.OpSet(e.key, e.value, options...)
	}
	return ops
}

// importCounts counts the entries of an import by their results.
type importCounts struct {
	written, existing, expired, rejected int64
}

func (n importCounts) all() int64 { return n.written + n.existing + n.expired + n.rejected }

func (n importCounts) String() string {
	parts := []string{entriesOf(n.written) + " written"}
	for _, part := range []struct {
		n    int64
		what string
	}{{n.existing, "already existed"}, {n.expired, "expired and dropped"}, {n.rejected, "rejected"}} {
		if part.n != 0 {
			parts = append(parts, readable(part.n)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}

// err returns an error if entries were rejected or, if strict, dropped.
func (n importCounts) err(strict bool) error {
	var errs []error
	if n.rejected != 0 {
		errs = append(errs, fmt.Errorf("%s rejected and not written", entriesOf(n.rejected)))
	}
	if strict && n.expired != 0 {
		errs = append(errs, fmt.Errorf("%s expired and not written", entriesOf(n.expired)))
	}
	return errors.Join(errs...)
}
