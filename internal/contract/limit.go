package contract

import (
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Limits of the contract, on which clients, gateways and services must agree.
const (
	// MaxKeyBytes is the maximum length of a key, in bytes of UTF-8.
	MaxKeyBytes = 1024
	// DefaultValueBytes is the maximum length of a value, in bytes, unless a server is configured otherwise.
	DefaultValueBytes = 1 << 20
	// MaxOperations is the maximum number of operations in a batch.
	MaxOperations = 1000
	// MaxContentBytes is the maximum total content, in bytes, of the gets of one batch, and the maximum size of one page of a
	// list as a message, unless a single entry exceeds it. A batch can ask for less.
	MaxContentBytes = 8 << 20
	// MaxPageSize is the maximum number of entries on a page of a list.
	MaxPageSize = 1000
	// DefaultPageSize is the number of entries on a page if the request does not set one.
	DefaultPageSize = 100
	// MaxTTL is the longest time to live.
	MaxTTL = 10 * 365 * 24 * time.Hour
	// MaxTicketTTL is the longest time for which a ticket is valid.
	MaxTicketTTL = time.Hour
	// DefaultTicketTTL is how long a ticket is valid if the request does not say.
	DefaultTicketTTL = 5 * time.Minute
)

// MaxRequestBytes returns the maximum size of a request message or body for a maximum value length of valueBytes. JSON
// can take six bytes to encode one, so this is six values plus some room for the other fields.
func MaxRequestBytes(valueBytes int) int { return 6*valueBytes + 64<<10 }

// MaxResponseBytes returns the maximum size of a response message for a maximum value length of valueBytes: the
// content of a batch or page, the one value that may exceed it, and the keys and versions.
func MaxResponseBytes(valueBytes int) int { return MaxContentBytes + valueBytes + 4<<20 }

// EntryOverhead is about what an entry takes in memory as a message, in addition to its key and content, in bytes.
const EntryOverhead = 256

// ContentBytes returns about how much memory the entries in a response take, in bytes. It is 0 for messages without
// entries.
func ContentBytes(message any) int {
	switch m := message.(type) {
	case interface{ GetEntry() *keyvaluev1.Entry }:
		return entryBytes(m.GetEntry())
	case *keyvaluev1.ListResponse:
		n := 0
		for _, e := range m.GetEntries() {
			n += entryBytes(e)
		}
		for _, prefix := range m.GetPrefixes() {
			n += len(prefix)
		}
		return n
	case *keyvaluev1.BatchResponse:
		n := 0
		for _, r := range m.GetResults() {
			n += entryBytes(r.GetGet().GetEntry()) + EntryOverhead
		}
		return n
	case *keyvaluev1.WatchResponse:
		return entryBytes(m.GetEvent().GetEntry())
	}
	return 0
}

func entryBytes(e *keyvaluev1.Entry) int {
	if e == nil {
		return 0
	}
	return EntryOverhead + len(e.GetKey()) + len(e.GetValue()) + len(e.GetData())
}

// MayWrite reports whether carrying out request may change something. It does not if only its response could be lost.
func MayWrite(request any) bool {
	if batch, ok := request.(*keyvaluev1.BatchRequest); ok {
		return gets(batch) < len(batch.GetOperations())
	}
	m := MethodFor(request)
	return m != nil && m.Rights&Write != 0
}

// AnswerBytes returns the most content that the response to request can have, in bytes, if values have the default size. It
// is 0 for requests other than batches, which do not both write and return content.
func AnswerBytes(request any) int {
	batch, ok := request.(*keyvaluev1.BatchRequest)
	if !ok {
		return 0
	}
	most := MaxContentBytes
	if n := int(batch.GetMaxContentBytes()); n > 0 {
		most = min(most, n)
	}
	return min(most, gets(batch)*DefaultValueBytes)
}

// gets returns how many operations of batch are gets.
func gets(batch *keyvaluev1.BatchRequest) int {
	n := 0
	for _, operation := range batch.GetOperations() {
		if operation.GetGet() != nil {
			n++
		}
	}
	return n
}
