// Command cacheaside keeps the results of a slow query in the store for a minute, for every server that needs them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"key-value/client"
)

// User is a row of the database, and the JSON that the store keeps of it.
type User struct {
	Name string `json:"name"`
}

func main() {
	kv, err := client.New(os.Getenv("KV_URL"), client.WithAPIKey(os.Getenv("KV_API_KEY")))
	if err != nil {
		log.Fatal(err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range 2 {
		fmt.Println(find(ctx, client.JSON[User](kv), "anna").Name)
	}
}

// find returns a user from the store, or else from the database. It works without the store, only slower.
func find(ctx context.Context, cache client.Typed[User], id string) User {
	cached, err := cache.Get(ctx, "cache/users/"+id)
	if err == nil {
		return cached.Value
	}
	if !errors.Is(err, client.ErrNotFound) {
		log.Print("cache: ", err)
	}
	user := query(id)
	if _, _, err := cache.Set(ctx, "cache/users/"+id, user, client.TTL(time.Minute)); err != nil {
		log.Print("cache: ", err)
	}
	return user
}

// query stands for a slow database.
func query(id string) User {
	fmt.Println("query for", id)
	return User{Name: "Anna"}
}

// Output:
// query for anna
// Anna
// Anna
