// Command configuration keeps its settings in memory and follows changes of them, which an operator makes with kv set.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"key-value/client"
	"key-value/client/cache"
)

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := kv.Delete(ctx, "config/web/limit"); err != nil { // what an earlier run has set
		log.Fatal(err)
	}

	config, err := cache.New(ctx, kv, cache.Prefix("config/web/"))
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()
	fmt.Println("limit:", limit(config))

	changed := make(chan struct{}, 1)
	config.OnChange(func(key string, _ client.Entry, _ bool) {
		fmt.Println("changed:", key)
		changed <- struct{}{}
	})
	if _, _, err := kv.Set(ctx, "config/web/limit", []byte("200")); err != nil { // the operator
		log.Fatal(err)
	}
	<-changed
	fmt.Println("limit:", limit(config))
}

// limit returns how many requests to serve at a time. It reads memory, so it can be called for each of them.
func limit(config *cache.Cache) int {
	entry, _ := config.Get("config/web/limit")
	if n, err := strconv.Atoi(string(entry.Value)); err == nil && n > 0 {
		return n
	}
	return 100 // not set, or not a number
}

// Output:
// limit: 100
// changed: config/web/limit
// limit: 200
