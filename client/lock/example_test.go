package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"key-value/client"
	"key-value/client/lock"
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

// While a lock is held, work is done with its context, which ends if the lock is lost.
func ExampleLock_Lock() {
	kv, stop := connectExample()
	defer stop()
	l, err := lock.New(kv, "reports", lock.TTL(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}

	held, err := l.Lock(context.Background()) // waits while another program holds the lock
	if err != nil {
		log.Fatal(err)
	}
	defer func() { fmt.Println("unlocked:", held.Unlock()) }()

	fmt.Println("working:", held.Context().Err())
	// Output:
	// working: <nil>
	// unlocked: <nil>
}

func ExampleLock_TryLock() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	first, err := lock.New(kv, "nightly", lock.Value("anna"))
	if err != nil {
		log.Fatal(err)
	}
	second, err := lock.New(kv, "nightly", lock.Value("bert"))
	if err != nil {
		log.Fatal(err)
	}

	held, err := first.TryLock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer held.Unlock()
	if _, err := second.TryLock(ctx); errors.Is(err, lock.ErrHeld) {
		holder, _, err := second.Holder(ctx)
		fmt.Println("held by", holder.Value, err)
	}
	// Output: held by anna <nil>
}

// A resource that remembers the greatest fence refuses holders of the past, even those that were frozen and do not know that
// they lost the lock.
func ExampleHeld_Fence() {
	kv, stop := connectExample()
	defer stop()
	l, err := lock.New(kv, "ledger")
	if err != nil {
		log.Fatal(err)
	}
	var greatest uint64
	write := func(fence uint64) bool {
		if fence < greatest {
			return false
		}
		greatest = fence
		return true
	}

	var fences []uint64
	for range 2 {
		held, err := l.Lock(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fences = append(fences, held.Fence())
		fmt.Println(write(held.Fence()))
		if err := held.Unlock(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(write(fences[0])) // the first holder comes late
	// Output:
	// true
	// true
	// false
}

// A write to the store itself can depend on the lock.
func ExampleHeld_Key() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	l, err := lock.New(kv, "ledger")
	if err != nil {
		log.Fatal(err)
	}
	held, err := l.Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}

	write := func(value string) error {
		_, err := kv.AtomicBatch(ctx, client.OpGet(held.Key()), client.OpSet("{ledger}/balance", []byte(value)))
		return err
	}
	fmt.Println(write("7"))
	fmt.Println(held.Unlock())
	fmt.Println(errors.Is(write("8"), client.ErrNotFound))
	entry, err := kv.Get(ctx, "{ledger}/balance")
	fmt.Printf("%s %v\n", entry.Value, err)
	// Output:
	// <nil>
	// <nil>
	// true
	// 7 <nil>
}
