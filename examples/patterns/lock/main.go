// Command lock lets one program at a time write to a ledger, which refuses writers that have lost the lock.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
	"key-value/client/lock"
)

// ledger stands for a database. It keeps the greatest fence that it has seen, in the transaction of each write.
type ledger struct{ fence uint64 }

func (l *ledger) write(fence uint64, text string) error {
	if fence < l.fence {
		return errors.New("refused: another program holds the lock by now")
	}
	l.fence = fence
	fmt.Println("written:", text)
	return nil
}

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	l, err := lock.New(kv, "ledger", lock.TTL(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	var db ledger
	var fences []uint64
	for _, text := range []string{"one", "two"} {
		held, err := l.Lock(ctx) // waits while another program holds the lock
		if err != nil {
			log.Fatal(err)
		}
		fences = append(fences, held.Fence())
		fmt.Println(db.write(held.Fence(), text), held.Unlock()) // work that takes long watches held.Context()
	}
	fmt.Println(db.write(fences[0], "late")) // as a program that was frozen since its turn would
}

// Output:
// written: one
// <nil> <nil>
// written: two
// <nil> <nil>
// refused: another program holds the lock by now
