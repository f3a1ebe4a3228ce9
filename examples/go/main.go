// Command go shows the client library: it appends to a list that other programs may change at the same time, and prints it.
//
// It calls the store at KV_URL, by default http://127.0.0.1:8888, with the API key in KV_API_KEY.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	kv, err := client.New(cmp.Or(os.Getenv("KV_URL"), "http://127.0.0.1:8888"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		return err
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	for _, item := range []string{"milk", "eggs"} {
		if err := add(ctx, kv, "lists/shopping", item); err != nil {
			return err
		}
	}
	return show(ctx, kv, "lists/")
}

// add appends a line to the entry of key without overwriting concurrent changes.
func add(ctx context.Context, kv *client.Client, key, item string) error {
	_, err := kv.Update(ctx, key, func(old client.Entry) ([]byte, error) {
		return append(old.Value, item+"\n"...), nil
	}, client.TTL(24*time.Hour))
	return err
}

// show prints the entries below a prefix.
func show(ctx context.Context, kv *client.Client, prefix string) error {
	for entry, err := range kv.All(ctx, prefix) {
		if err != nil {
			return err
		}
		fmt.Printf("%s, expires in %v:\n%s", entry.Key, entry.TTL.Round(time.Hour), entry.Value)
	}
	return nil
}
