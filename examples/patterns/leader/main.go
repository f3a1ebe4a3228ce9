// Command leader does a task in one of many processes: the one that leads. If it dies, the next one takes over.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
	"key-value/client/election"
	"key-value/client/lock"
)

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // a service runs until it is told to stop
	defer cancel()
	e, err := election.New(kv, "scheduler", lock.TTL(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	for ctx.Err() == nil {
		if err := lead(ctx, e, cancel); err != nil {
			log.Print(err) // the leadership was lost, or the store cannot be reached: take part again
			time.Sleep(time.Second)
		}
	}
}

// lead waits until this process leads, and then works until it does not any more.
func lead(ctx context.Context, e *election.Election, done func()) error {
	term, err := e.Campaign(ctx, "10.0.0.7:9000")
	if err != nil {
		return err
	}
	leader, _, err := e.Leader(ctx) // as any process may ask
	fmt.Println(leader.Value, "leads", err)
	for i := range 3 {
		if term.Context().Err() != nil {
			break // others may lead by now
		}
		fmt.Println("tick", i)
	}
	done()
	return errors.Join(err, term.Resign())
}

// Output:
// 10.0.0.7:9000 leads <nil>
// tick 0
// tick 1
// tick 2
