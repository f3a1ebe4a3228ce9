package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"key-value/client"
	"key-value/internal/auth"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

// startExample serves an empty store that accepts the API key "secret", as kv serve does.
func startExample() (url string, stop func()) {
	engine := memory.New(memory.Options{})
	server := httptest.NewUnstartedServer(
		handle(kvservice.New(engine, kvservice.Config{}), auth.Single("example", "secret")))
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

	if _, _, err := kv.Set(ctx, "greeting", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	entry, err := kv.Get(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", entry.Key, entry.Value)
	// Output: greeting: hello
}

func ExampleNew() {
	kv, err := client.New("https://kv.example.com",
		client.WithAPIKey("secret"),
		client.WithTLS(&tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS13}),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()

	_, err = client.New("kv.example.com")
	fmt.Println(err)
	// Output: invalid service URL "kv.example.com": want http://host:port
}

// authorities issued the certificate of the service.
var authorities = x509.NewCertPool()

func ExampleClient_Get() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, _, err := kv.Set(ctx, "greeting", []byte("hello")); err != nil {
		log.Fatal(err)
	}

	for _, key := range []string{"greeting", "farewell"} {
		entry, err := kv.Get(ctx, key)
		switch {
		case err == nil:
			fmt.Printf("%s: %s\n", entry.Key, entry.Value)
		case errors.Is(err, client.ErrNotFound):
			fmt.Println(key, "does not exist")
		default:
			log.Fatal(err)
		}
	}
	// Output:
	// greeting: hello
	// farewell does not exist
}

// Set stores an entry that expires after an hour.
func ExampleClient_Set() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	for range 2 {
		entry, created, err := kv.Set(ctx, "session/1", []byte("anna"), client.TTL(time.Hour))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(created, time.Until(entry.ExpireTime).Round(time.Minute))
	}
	// Output:
	// true 1h0m0s
	// false 1h0m0s
}

func ExampleClient_Delete() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	entry, _, err := kv.Set(ctx, "draft", []byte("text"))
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(kv.Delete(ctx, "draft", client.IfMatch(entry.ETag))) // only if unchanged
	fmt.Println(kv.Delete(ctx, "draft"))                             // in any case
	// Output:
	// true <nil>
	// false <nil>
}

// An Error has the status code, the reason and the message of a failure.
func ExampleError() {
	kv, stop := connectExample()
	defer stop()
	_, err := kv.Get(context.Background(), "a/../b")

	fmt.Println(errors.Is(err, client.ErrInvalid))
	if failure, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(failure.Code, failure.Reason)
		fmt.Println(failure.Message)
	}
	// Output:
	// true
	// invalid_argument KEY_INVALID
	// invalid key: a path segment must not be "." or "..", because many clients rewrite those
}

// IfMatch changes a value without overwriting concurrent changes.
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
			continue // changed meanwhile: read it again
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

// IfAbsent elects one of many programs as the leader. If it dies, its entry expires and another can take over.
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
