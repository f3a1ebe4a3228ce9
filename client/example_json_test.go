package client_test

import (
	"context"
	"fmt"
	"log"
	"strconv"

	"key-value/client"
)

func ExampleClient_GetMany() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, err := kv.SetMany(ctx, map[string][]byte{"colors/red": []byte("1"), "colors/blue": []byte("2")}); err != nil {
		log.Fatal(err)
	}

	colors, err := kv.GetMany(ctx, "colors/red", "colors/blue", "colors/pink")
	if err != nil {
		log.Fatal(err)
	}
	_, pink := colors["colors/pink"]
	fmt.Printf("%s %s %t\n", colors["colors/red"].Value, colors["colors/blue"].Value, pink)
	// Output: 1 2 false
}

func ExampleClient_All() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()
	if _, err := kv.SetMany(ctx, map[string][]byte{"colors/red": []byte("1"), "colors/blue": []byte("2")}); err != nil {
		log.Fatal(err)
	}

	for entry, err := range kv.All(ctx, "colors/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", entry.Key, entry.Value)
	}
	deleted, err := kv.DeletePrefix(ctx, "colors/")
	fmt.Println(deleted, err)
	// Output:
	// colors/blue: 2
	// colors/red: 1
	// 2 <nil>
}

// Update doubles a number that others may change at the same time.
func ExampleClient_Update() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	for range 3 {
		entry, err := kv.Update(ctx, "number", func(old client.Entry) ([]byte, error) {
			if old.ETag == "" {
				return []byte("1"), nil // the key does not exist
			}
			n, err := strconv.Atoi(string(old.Value))
			return []byte(strconv.Itoa(2 * n)), err
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", entry.Value)
	}
	// Output:
	// 1
	// 2
	// 4
}

func ExampleJSON() {
	kv, stop := connectExample()
	defer stop()
	ctx := context.Background()

	type User struct {
		Name   string `json:"name"`
		Visits int    `json:"visits"`
	}
	users := client.JSON[User](kv)
	if _, _, err := users.Set(ctx, "users/anna", User{Name: "Anna"}); err != nil {
		log.Fatal(err)
	}
	anna, err := users.Update(ctx, "users/anna", func(old client.Item[User]) (User, error) {
		old.Value.Visits++
		return old.Value, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s has %d visit: %s\n", anna.Value.Name, anna.Value.Visits, anna.Entry.Value)
	// Output: Anna has 1 visit: {"name":"Anna","visits":1}
}
