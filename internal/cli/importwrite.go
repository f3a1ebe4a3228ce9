package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"key-value/client"
)

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
