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
	// importBatch is how many entries, and about how many bytes of lines, are written by one call.
	importBatch      = 500
	importBatchBytes = 1 << 20
	// importFlights is how many calls are under way at a time.
	importFlights = 4
	// refusalsTold is how many refused entries are told one by one.
	refusalsTold = 20
)

// importer writes lines into the store: several batches at a time, which are accounted for in their order, so that it
// is always known up to which line everything is done.
type importer struct {
	kv         *client.Client
	timeout    time.Duration // of one batch
	createOnly bool
	log        io.Writer
	progress   *progress
	reached    func(position) // is told how far the import got

	flying []*flight // oldest first
	done   position
	tally  tally
}

// flight is a batch that is under way.
type flight struct {
	entries []importEntry
	keys    map[string]bool
	end     position      // of its last line
	bytes   int64         // of the input, up to there
	expired int64         // of the lines up to there that are not in an earlier batch
	landed  chan struct{} // closed when the rest is set
	errs    []error       // one an entry
	err     error         // of the batch as a whole: any of its entries may have been written
}

// run imports all lines of in behind from. When ctx is done, it ends what is under way and begins no more.
func (im *importer) run(ctx context.Context, in io.Reader, from position) error {
	lines := newImportLines(in)
	if err := lines.skip(from); err != nil {
		return err
	}
	for {
		batch, end := lines.batch(time.Now())
		if err := im.makeRoom(batch); err != nil {
			return errors.Join(err, im.land(0))
		}
		im.start(context.WithoutCancel(ctx), batch)
		if ctx.Err() != nil { // also if the input ends just then: the same ^C ends who writes it
			end = interruption{ctx.Err()}
		}
		if end != nil {
			err := im.land(0)
			if err == nil && !errors.Is(end, io.EOF) {
				err = end
			}
			return err
		}
	}
}

// makeRoom waits until batch can start: until there are not too many others, and none that writes one of its keys,
// because the last line with a key is the one that counts.
func (im *importer) makeRoom(batch *flight) error {
	if err := im.land(importFlights - 1); err != nil {
		return err
	}
	for i, other := range slices.Backward(im.flying) {
		for key := range batch.keys {
			if other.keys[key] {
				return im.land(len(im.flying) - 1 - i)
			}
		}
	}
	return nil
}

func (im *importer) start(ctx context.Context, batch *flight) {
	im.flying = append(im.flying, batch)
	go func() {
		defer close(batch.landed)
		batch.errs, batch.err = im.write(ctx, batch.entries)
	}()
}

// land waits until at most n batches are under way, and accounts for the others. It stops accounting at the first that
// failed, but waits for the rest.
func (im *importer) land(n int) error {
	for len(im.flying) > n {
		oldest := im.flying[0]
		im.flying = im.flying[1:]
		<-oldest.landed
		if err := im.account(oldest); err != nil {
			for _, f := range im.flying {
				<-f.landed
			}
			im.flying = nil
			return err
		}
	}
	return nil
}

// account counts what became of a batch, up to an entry for which the import must end.
func (im *importer) account(f *flight) error {
	if f.err != nil {
		return fmt.Errorf("line %d or behind it: %w", im.done.Line+1, f.err)
	}
	for i, err := range f.errs {
		entry := f.entries[i]
		switch {
		case err == nil:
			im.tally.written++
		case im.createOnly && errors.Is(err, client.ErrExists):
			im.tally.existing++
		case refusesOne(err):
			im.refuse(entry.at.Line, err)
		default:
			return fmt.Errorf("line %d: %w", entry.at.Line, err)
		}
		im.done = entry.at
	}
	im.tally.expired += f.expired
	im.done = f.end
	im.reached(im.done)
	im.progress.show(im.tally.all(), f.bytes)
	return nil
}

// refusesOne reports whether err is about one entry, so that others may be taken.
func refusesOne(err error) bool {
	return errors.Is(err, client.ErrInvalid) || errors.Is(err, client.ErrTooLarge) || errors.Is(err, client.ErrPermissionDenied)
}

func (im *importer) refuse(line int64, err error) {
	if im.tally.refused++; im.tally.refused > refusalsTold {
		return
	}
	im.progress.clear()
	fmt.Fprintf(im.log, "kv: line %d was refused: %v\n", line, err)
	if im.tally.refused == refusalsTold {
		fmt.Fprintln(im.log, "kv: further ones are counted only")
	}
}

// write writes entries by one call, or by more if that is too large, and returns an error for each.
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

// call makes one call, and makes it again when the store has no capacity for it at the moment.
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

// tally is what became of the entries of an import.
type tally struct {
	written, existing, expired, refused int64
}

func (t tally) all() int64 { return t.written + t.existing + t.expired + t.refused }

func (t tally) String() string {
	parts := []string{readable(t.written) + " entries written"}
	for _, part := range []struct {
		n    int64
		what string
	}{{t.existing, "there already"}, {t.expired, "expired"}, {t.refused, "refused"}} {
		if part.n != 0 {
			parts = append(parts, readable(part.n)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}

func (t tally) err() error {
	if t.refused == 0 {
		return nil
	}
	return fmt.Errorf("%s entries were refused and are not in the store", readable(t.refused))
}
