package cache_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"key-value/client"
	"key-value/client/cache"
	"key-value/kvservice/store/memory"
)

// connectExample returns a client of an empty store.
func connectExample() (kv *client.Client, stop func()) {
	engine := memory.New(memory.Options{})
	server := httptest.NewUnstartedServer(handle(engine))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	kv, err := client.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	return kv, func() {
		kv.Close()
		server.Close()
		_ = engine.Close()
	}
}

func Example() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	written, _, err := kv.Set(ctx, "config/color", []byte("blue"))
	if err != nil {
		log.Fatal(err)
	}

	config, err := cache.New(ctx, kv, cache.Prefix("config/"))
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()

	entry, ok := config.Get("config/color") // from memory
	fmt.Println(string(entry.Value), ok)

	if written, _, err = kv.Set(ctx, "config/color", []byte("red")); err != nil {
		log.Fatal(err)
	}
	if err := config.WaitRevision(ctx, written.Revision); err != nil { // until the cache has that
		log.Fatal(err)
	}
	for entry := range config.Range("config/") {
		fmt.Printf("%s = %s\n", entry.Key, entry.Value)
	}
	// Output:
	// blue true
	// config/color = red
}

func ExampleCache_OnChange() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	config, err := cache.New(ctx, kv, cache.Prefix("config/"))
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()

	changed := make(chan string)
	config.OnChange(func(key string, entry client.Entry, ok bool) {
		changed <- fmt.Sprintf("%s is %q, exists: %v", key, entry.Value, ok)
	})
	if _, _, err := kv.Set(ctx, "config/color", []byte("blue")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-changed)
	if _, err := kv.Delete(ctx, "config/color"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-changed)
	// Output:
	// config/color is "blue", exists: true
	// config/color is "", exists: false
}

// Of many keys, keep those that are in use, in 64 MiB.
func ExampleOnDemand() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, _, err := kv.Set(ctx, "users/anna", []byte("Anna")); err != nil {
		log.Fatal(err)
	}

	users, err := cache.New(ctx, kv, cache.Prefix("users/"), cache.OnDemand(64<<20))
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	for range 2 { // the first time from the store, the second time from memory
		entry, err := users.Fetch(ctx, "users/anna")
		fmt.Println(string(entry.Value), err)
	}
	// Output:
	// Anna <nil>
	// Anna <nil>
}
