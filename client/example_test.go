package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"key-value/client"
	"key-value/internal/apikey"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

// startExample serves an empty store that takes the API key "secret". Everybody else leaves this to kv serve.
func startExample() (url string, stop func()) {
	engine := memory.New(memory.Options{})
	server := httptest.NewUnstartedServer(
		handle(kvservice.New(engine, kvservice.Config{}), apikey.Single("example", "secret")))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	return server.URL, func() {
		server.Close()
		_ = engine.Close()
	}
}

// connectExample returns a client of an empty store.
func connectExample() (kv *client.Client, stop func()) {
	url, stopService := startExample()
	kv, err := client.New(url, client.WithAPIKey("secret"))
	if err != nil {
		log.Fatal(err)
	}
	return kv, func() {
		kv.Close()
		stopService()
	}
}

func Example() {
	url, stop := startExample() // such as http://127.0.0.1:8888
	defer stop()

	kv, err := client.New(url, client.WithAPIKey("secret"))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if _, _, err := kv.Set(ctx, "greeting", []byte("hello"), client.TTL(time.Hour)); err != nil {
		log.Fatal(err)
	}
	entry, err := kv.Get(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", entry.Key, entry.Value)

	_, err = kv.Get(ctx, "farewell")
	fmt.Println(errors.Is(err, client.ErrNotFound), err)
	// Output:
	// greeting: hello
	// true there is no key "farewell"
}

// Changes a value that others may be changing too, without losing anybody's change.
func ExampleIfMatch() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, _, err := kv.Set(ctx, "list", []byte("milk")); err != nil {
		log.Fatal(err)
	}

	for {
		entry, err := kv.Get(ctx, "list")
		if err != nil {
			log.Fatal(err)
		}
		_, _, err = kv.Set(ctx, "list", append(entry.Value, ", eggs"...), client.IfMatch(entry.ETag))
		if errors.Is(err, client.ErrETagMismatch) {
			continue // somebody was faster; read what they wrote
		}
		if err != nil {
			log.Fatal(err)
		}
		break
	}

	entry, err := kv.Get(ctx, "list")
	fmt.Println(string(entry.Value), err)
	// Output: milk, eggs <nil>
}

// Lets one of many programs do something, and another one if that dies.
func ExampleIfAbsent() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	for _, name := range []string{"anna", "bert"} {
		_, _, err := kv.Set(ctx, "leader", []byte(name), client.IfAbsent(), client.TTL(10*time.Second))
		switch {
		case err == nil:
			fmt.Println(name, "leads")
		case errors.Is(err, client.ErrExists):
			fmt.Println(name, "follows")
		default:
			log.Fatal(err)
		}
	}
	// Output:
	// anna leads
	// bert follows
}

func ExampleClient_Touch() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, _, err := kv.Set(ctx, "session", []byte("…"), client.TTL(time.Minute)); err != nil {
		log.Fatal(err)
	}

	entry, err := kv.Touch(ctx, "session", client.TTL(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(time.Until(entry.ExpireTime).Round(time.Minute))
	// Output: 1h0m0s
}

func ExampleClient_Increment() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	for range 3 {
		visits, err := kv.Increment(ctx, "visits", 1, client.Initial(100))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(visits)
	}
	// Output:
	// 101
	// 102
	// 103
}

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

// Moves an entry to another key, so that nobody ever sees both or neither.
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

// Keeps a copy of a part of the store.
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
				cancel() // ends the watch; so would leaving the loop
			}
		case client.EventDelete, client.EventExpire, client.EventEvict:
			delete(flags, event.Entry.Key)
		}
	}
	// Output:
	// up to date: map[flags/dark:off]
	// true map[flags/dark:on]
}
