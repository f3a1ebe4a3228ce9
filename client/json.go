package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"

	"connectrpc.com/connect/v2"
)

// Typed reads and writes values of type T as JSON, as package encoding/json does. Make one with [JSON]. Like a [Client], it
// is safe for concurrent use.
//
// A value that is not JSON of type T fails with [ErrNotJSON].
type Typed[T any] struct{ client *Client }

// JSON returns a view of the store that c calls, in which values are JSON of type T:
//
//	users := client.JSON[User](kv)
//	user, err := users.Get(ctx, "users/anna")
func JSON[T any](c *Client) Typed[T] { return Typed[T]{c} }

// Item is an entry with its value as a T. The JSON is in Entry.Value.
type Item[T any] struct {
	Entry

	Value T
}

// Get is [Client.Get]. With [AllowMissing], a key that does not exist yields the zero Item.
func (t Typed[T]) Get(ctx context.Context, key string, opts ...GetOption) (Item[T], error) {
	entry, err := t.client.Get(ctx, key, opts...)
	if err != nil || entry.ETag == "" {
		return Item[T]{}, err
	}
	return t.Decode(entry)
}

// GetMany is [Client.GetMany]. A value that is not JSON of type T makes the whole call fail.
func (t Typed[T]) GetMany(ctx context.Context, keys ...string) (map[string]Item[T], error) {
	entries, err := t.client.GetMany(ctx, keys...)
	if err != nil {
		return nil, err
	}
	items := make(map[string]Item[T], len(entries))
	for key, entry := range entries {
		if items[key], err = t.Decode(entry); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// Set is [Client.Set]. A value that JSON cannot represent fails with [ErrInvalid].
func (t Typed[T]) Set(ctx context.Context, key string, value T, opts ...WriteOption) (Item[T], bool, error) {
	data, err := encode(key, value)
	if err != nil {
		return Item[T]{}, false, err
	}
	entry, created, err := t.client.Set(ctx, key, data, opts...)
	if err != nil {
		return Item[T]{}, false, err
	}
	return Item[T]{entry, value}, created, nil
}

// SetMany is [Client.SetMany]. If there is a value that JSON cannot represent, it fails with [ErrInvalid] and writes nothing.
func (t Typed[T]) SetMany(ctx context.Context, values map[string]T, opts ...WriteOption) (map[string]Item[T], error) {
	encoded := make(map[string][]byte, len(values))
	for key, value := range values {
		var err error
		if encoded[key], err = encode(key, value); err != nil {
			return nil, err
		}
	}
	entries, err := t.client.SetMany(ctx, encoded, opts...)
	items := make(map[string]Item[T], len(entries))
	for key, entry := range entries {
		items[key] = Item[T]{entry, values[key]}
	}
	return items, err
}

// Update is [Client.Update]. If the key does not exist, old is the zero Item.
func (t Typed[T]) Update(
	ctx context.Context, key string, change func(old Item[T]) (T, error), opts ...WriteOption,
) (Item[T], error) {
	var value T
	entry, err := t.client.Update(ctx, key, func(entry Entry) (data []byte, err error) {
		var old Item[T]
		if entry.ETag != "" {
			if old, err = t.Decode(entry); err != nil {
				return nil, err
			}
		}
		if value, err = change(old); err != nil {
			return nil, err
		}
		return encode(key, value)
	}, opts...)
	if err != nil {
		return Item[T]{}, err
	}
	return Item[T]{entry, value}, nil
}

// All is [Client.All]. It ends at a value that is not JSON of type T, with its error as the last pair.
func (t Typed[T]) All(ctx context.Context, prefix string) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		for entry, err := range t.client.All(ctx, prefix) {
			var item Item[T]
			if err == nil {
				item, err = t.Decode(entry)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// Decode returns entry as an Item, such as that of an [Event] or a [Result].
func (t Typed[T]) Decode(entry Entry) (Item[T], error) {
	item := Item[T]{Entry: entry}
	if err := json.Unmarshal(entry.Value, &item.Value); err != nil {
		return Item[T]{Entry: entry}, &Error{
			Code: connect.CodeFailedPrecondition, kind: ErrNotJSON, cause: err,
			Message: fmt.Sprintf("the value of %q is not JSON of type %v: %v", entry.Key, reflect.TypeFor[T](), err),
		}
	}
	return item, nil
}

func encode(key string, value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, &Error{
			Code: connect.CodeInvalidArgument, kind: ErrInvalid, cause: err,
			Message: fmt.Sprintf("the value for %q cannot be written as JSON: %v", key, err),
		}
	}
	return data, nil
}
