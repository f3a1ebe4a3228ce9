// Command ratelimit lets each user make three requests a minute, however many servers count them.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
)

const (
	limit  = 3
	window = time.Minute
)

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for request := range 4 {
		ok, err := allow(ctx, kv, "anna")
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Printf("request %d: %v\n", request+1, ok)
	}
}

// allow counts a request of user and reports whether it is within the limit. The first request of a user creates the
// counter, which expires with its window; the others keep its TTL.
func allow(ctx context.Context, kv *client.Client, user string) (bool, error) {
	requests, err := kv.Increment(ctx, "rate/"+user, 1, client.TTL(window))
	return requests <= limit, err
}

// Output:
// request 1: true
// request 2: true
// request 3: true
// request 4: false
