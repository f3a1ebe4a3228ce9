// Package contract holds the bounds of the contract that more than one program must agree on.
package contract

import "time"

const (
	// MaxKeyBytes is the longest key, in bytes of UTF-8.
	MaxKeyBytes = 1024
	// DefaultValueBytes is the default for the longest value, in bytes.
	DefaultValueBytes = 1 << 20
	// MaxOperations is the most operations in one batch.
	MaxOperations = 1000
	// MaxContentBytes is the most content that the gets of one batch, or one page of a listing, return
	// together, in bytes; a page may pass it by its last entry. A batch can ask for less.
	MaxContentBytes = 8 << 20
	// MaxPageSize is the most entries on a page of a listing.
	MaxPageSize = 1000
	// DefaultPageSize is how many entries a page has if the request does not say.
	DefaultPageSize = 100
	// MaxTTL is the longest time to live.
	MaxTTL = 10 * 365 * 24 * time.Hour
)

// MaxRequestBytes is how large the message or the body of one request may be, where a value may have
// valueBytes. JSON may spell one byte as six, so it is six values and some room for the rest.
func MaxRequestBytes(valueBytes int) int { return 6*valueBytes + 64<<10 }

// MaxResponseBytes is how large one response message can be, where a value may have valueBytes: the content
// of a batch or a page, one value by which a page may pass it, and the keys and versions beside them.
func MaxResponseBytes(valueBytes int) int { return MaxContentBytes + valueBytes + 4<<20 }
