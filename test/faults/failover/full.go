package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"key-value/client"
)

// filled is how many keys are tried while the nodes are full, enough for some on each primary.
const filled = 12

// fillPrimaries makes all primaries full for a while. Reads, deletes and watches must still work.
func fillPrimaries(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	if err := r.eachFilled(ctx, r.set, nil); err != nil {
		return err
	}
	from := r.now()
	if err := r.limit(ctx, "1"); err != nil {
		return err
	}
	struck(from, r.now())
	r.violate(errors.Join(
		r.eachFilled(ctx, r.set, client.ErrFull),
		r.eachFilled(ctx, func(ctx context.Context, c *client.Client, key string) error {
			_, err := c.Get(ctx, key)
			return err
		}, nil),
		r.eachFilled(ctx, func(ctx context.Context, c *client.Client, key string) error {
			there, err := c.Delete(ctx, key)
			if err == nil && !there {
				err = errors.New("the key does not exist")
			}
			return err
		}, nil)))
	return r.limit(ctx, "0")
}

// limit sets the memory limit of each node in bytes. 0: none.
func (r *run) limit(ctx context.Context, bytes string) error {
	var errs []error
	for _, node := range r.stage.cluster.Nodes() {
		_, err := node.Do(ctx, "CONFIG", "SET", "maxmemory", bytes)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *run) set(ctx context.Context, c *client.Client, key string) error {
	_, _, err := c.Set(ctx, key, []byte("something"))
	return err
}

// eachFilled makes a call for each key until it is answered, and returns an error unless all have the wanted result.
func (r *run) eachFilled(
	ctx context.Context, call func(context.Context, *client.Client, string) error, want error,
) error {
	for i := range filled {
		key := fmt.Sprint("f/", i)
		err := call(ctx, r.stage.clients[i%2], key)
		for isUnanswered(err) && ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
			err = call(ctx, r.stage.clients[i%2], key)
		}
		if !errors.Is(err, want) {
			return fmt.Errorf("a call for %s = %w, want %v", key, err, want)
		}
	}
	return nil
}
