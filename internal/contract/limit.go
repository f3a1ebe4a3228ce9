package contract

import "time"

// Limits of the contract, on which clients, gateways and services must agree.
const (
	// MaxKeyBytes is the maximum length of a key, in bytes of UTF-8.
	MaxKeyBytes = 1024
	// DefaultValueBytes is the maximum length of a value, in bytes, unless a server is configured otherwise.
	DefaultValueBytes = 1 << 20
	// MaxOperations is the maximum number of operations in a batch.
	MaxOperations = 1000
	// MaxContentBytes is the maximum total content, in bytes, of the gets of one batch or of one page of a list. The last
	// entry of a page may exceed it. A batch can ask for less.
	MaxContentBytes = 8 << 20
	// MaxPageSize is the maximum number of entries on a page of a list.
	MaxPageSize = 1000
	// DefaultPageSize is the number of entries on a page if the request does not set one.
	DefaultPageSize = 100
	// MaxTTL is the longest time to live.
	MaxTTL = 10 * 365 * 24 * time.Hour
)

// MaxRequestBytes returns the maximum size of a request message or body for a maximum value length of valueBytes. JSON
// can take six bytes to encode one, so this is six values plus some room for the other fields.
func MaxRequestBytes(valueBytes int) int { return 6*valueBytes + 64<<10 }

// MaxResponseBytes returns the maximum size of a response message for a maximum value length of valueBytes: the
// content of a batch or page, the one value by which a page may exceed it, and the keys and versions.
func MaxResponseBytes(valueBytes int) int { return MaxContentBytes + valueBytes + 4<<20 }
