package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"

	"key-value/client"
)

func ExampleClient_List() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	for i, color := range []string{"red", "green", "blue"} {
		if _, _, err := kv.Set(ctx, "colors/"+color, []byte(strconv.Itoa(i))); err != nil {
			log.Fatal(err)
		}
	}

	for entry, err := range kv.List(ctx, "colors/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", entry.Key, entry.Value)
	}
	// Output:
	// colors/blue: 2
	// colors/green: 1
	// colors/red: 0
}

func ExampleClient_DeleteRange() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	for _, key := range []string{"colors/red", "colors/green", "colorful"} {
		if _, _, err := kv.Set(ctx, key, []byte("1")); err != nil {
			log.Fatal(err)
		}
	}

	deleted, err := kv.DeleteRange(ctx, client.KeyRange{Prefix: "colors/"})
	fmt.Println(deleted, err)
	_, err = kv.DeleteRange(ctx, client.KeyRange{})
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// nothing to delete: set prefix, or start and end; to delete every key, set all
}

func ExampleClient_Batch() {
	kv, stop := connectExample()
	defer stop()

	results, err := kv.Batch(context.Background(),
		client.OpSet("a", []byte("1")),
		client.OpGet("a"),
		client.OpGet("nope"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		fmt.Printf("%q %t %v\n", result.Entry.Value, result.Created, result.Err)
	}
	// Output:
	// "1" true <nil>
	// "1" false <nil>
	// "" false there is no key "nope"
}

// AtomicBatch moves an entry to another key. No other client sees both entries, or neither.
func ExampleClient_AtomicBatch() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	draft, _, err := kv.Set(ctx, "draft", []byte("text"))
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		_, err = kv.AtomicBatch(ctx,
			client.OpDelete("draft", client.IfMatch(draft.ETag)),
			client.OpSet("final", draft.Value, client.IfAbsent()),
		)
		fmt.Println(err)
	}
	failed, _ := errors.AsType[*client.Error](err)
	fmt.Println(failed.Operation())
	// Output:
	// <nil>
	// operation 0: the key "draft" does not have the expected etag
	// 0 true
}

// Watch keeps a copy of a part of the store up to date.
func ExampleClient_Watch() {
	kv, stop := connectExample()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, _, err := kv.Set(ctx, "flags/dark", []byte("off")); err != nil {
		log.Fatal(err)
	}

	flags := map[string]string{}
	for event, err := range kv.Watch(ctx, "flags/", client.FromSnapshot(), client.StartOver()) {
		if err != nil {
			fmt.Println(errors.Is(err, context.Canceled), flags)
			return
		}
		switch event.Type {
		case client.EventReset:
			clear(flags) // a new snapshot follows
		case client.EventSync:
			fmt.Println("up to date:", flags)
			if _, _, err := kv.Set(ctx, "flags/dark", []byte("on")); err != nil {
				log.Fatal(err)
			}
		case client.EventPut:
			flags[event.Entry.Key] = string(event.Entry.Value)
			if flags["flags/dark"] == "on" {
				cancel() // ends the watch, as leaving the loop would
			}
		case client.EventDelete, client.EventExpire, client.EventEvict:
			delete(flags, event.Entry.Key)
		}
	}
	// Output:
	// up to date: map[flags/dark:off]
	// true map[flags/dark:on]
}

// ResumeFrom continues after a restart of the program, with the changes made meanwhile.
func ExampleResumeFrom() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	token := "" // of the last event that was processed; store it where it survives a restart
	for event, err := range kv.Watch(ctx, "jobs/") {
		if err != nil {
			log.Fatal(err)
		}
		token = event.ResumeToken
		break // the first event is of type EventSync: the watch has started
	}

	for i := range 2 { // no watch is open now
		if _, _, err := kv.Set(ctx, "jobs/"+strconv.Itoa(i), []byte("do it")); err != nil {
			log.Fatal(err)
		}
	}

	for event, err := range kv.Watch(ctx, "jobs/", client.ResumeFrom(token)) {
		if err != nil {
			log.Fatal(err) // ErrResumeTooOld: too many changes were missed, start with FromSnapshot
		}
		fmt.Println(event.Type, event.Entry.Key)
		if token = event.ResumeToken; event.Entry.Key == "jobs/1" {
			break
		}
	}
	// Output:
	// put jobs/0
	// put jobs/1
}

func ExampleKeysOnly() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	for i := range 3 {
		if _, _, err := kv.Set(ctx, "rows/"+strconv.Itoa(i), make([]byte, 1<<20)); err != nil {
			log.Fatal(err)
		}
	}

	for entry, err := range kv.List(ctx, "rows/", client.KeysOnly()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Key, len(entry.Value))
	}
	// Output:
	// rows/0 0
	// rows/1 0
	// rows/2 0
}
