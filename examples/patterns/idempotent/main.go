// Command idempotent does each job once, although its messages are delivered several times and to several workers.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
)

const (
	patience = time.Minute    // how long a worker may take; then another one tries
	memory   = 24 * time.Hour // for how long a message may be delivered again
)

var errBusy = errors.New("another worker does it: deliver the message again later")

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range 2 {
		receipt, err := once(ctx, kv, "order-7", func() string { fmt.Println("charging"); return "receipt 1" })
		fmt.Println(receipt, err)
	}
}

// once does the job with this id, unless it is done, and returns its result.
func once(ctx context.Context, kv *client.Client, id string, do func() string) (string, error) {
	key := "jobs/" + id
	claim, _, err := kv.Set(ctx, key, nil, client.IfAbsent(), client.TTL(patience))
	if errors.Is(err, client.ErrExists) {
		done, err := kv.Get(ctx, key, client.AllowMissing())
		if err == nil && len(done.Value) == 0 { // claimed, not done
			err = errBusy
		}
		return string(done.Value), err
	}
	if err != nil {
		return "", err
	}
	result := do()
	// If the claim has expired, another worker may have done the job too: a claim is not a lock.
	_, _, err = kv.Set(ctx, key, []byte(result), client.IfMatch(claim.ETag), client.TTL(memory))
	return result, err
}

// Output:
// charging
// receipt 1 <nil>
// receipt 1 <nil>
