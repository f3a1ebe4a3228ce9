package client_test

import (
	"strings"
	"testing"
	"time"

	"key-value/client"
)

type user struct {
	Name   string `json:"name"`
	Visits int    `json:"visits"`
}

func TestTypedValuesAreJSON(t *testing.T) {
	t.Parallel()
	kv := start(t)
	users := client.JSON[user](kv)
	item, created, err := users.Set(t.Context(), "users/anna", user{"Anna", 1}, client.TTL(time.Hour))
	if err != nil || !created || item.Value.Name != "Anna" || item.ETag == "" || item.TTL == 0 {
		t.Fatalf("Set = %+v, %v, %v", item, created, err)
	}
	wantValue(t, kv, "users/anna", `{"name":"Anna","visits":1}`)

	item, err = users.Update(t.Context(), "users/anna", func(old client.Item[user]) (user, error) {
		old.Value.Visits++
		return old.Value, nil
	})
	if err != nil || item.Value != (user{"Anna", 2}) {
		t.Errorf("Update = %+v, %v; want 2 visits", item, err)
	}
	if item, err := users.Get(t.Context(), "users/anna"); err != nil || item.Value != (user{"Anna", 2}) || item.Key != "users/anna" {
		t.Errorf("Get = %+v, %v; want 2 visits", item, err)
	}

	if _, err := users.SetMany(t.Context(), map[string]user{"users/bert": {"Bert", 0}, "users/carl": {"Carl", 0}}); err != nil {
		t.Fatal(err)
	}
	many, err := users.GetMany(t.Context(), "users/bert", "users/nope")
	if err != nil || len(many) != 1 || many["users/bert"].Value.Name != "Bert" {
		t.Errorf("GetMany = %v, %v; want Bert", many, err)
	}
	var names []string
	for item, err := range users.All(t.Context(), "users/") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, item.Value.Name)
	}
	if got := strings.Join(names, " "); got != "Anna Bert Carl" {
		t.Errorf("All yields %s, want Anna Bert Carl", got)
	}
}

func TestATypedKeyThatDoesNotExist(t *testing.T) {
	t.Parallel()
	users := client.JSON[user](start(t))
	_, err := users.Get(t.Context(), "nope")
	wantError(t, "Get", err, client.ErrNotFound)
	if item, err := users.Get(t.Context(), "nope", client.AllowMissing()); err != nil || item.ETag != "" {
		t.Errorf("Get with AllowMissing = %+v, %v; want a zero item", item, err)
	}
	item, err := users.Update(t.Context(), "nope", func(old client.Item[user]) (user, error) {
		old.Value.Visits++
		return old.Value, nil
	})
	if err != nil || item.Value.Visits != 1 {
		t.Errorf("Update = %+v, %v; want a visit", item, err)
	}
}

func TestAValueOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	kv := start(t)
	users := client.JSON[user](kv)
	mustSet(t, kv, "users/a", `{"name":"A"}`)
	mustSet(t, kv, "users/b", "[]")
	_, err := users.Get(t.Context(), "users/b")
	e := wantError(t, "Get", err, client.ErrNotJSON)
	for _, part := range []string{`"users/b"`, "client_test.user", "array"} {
		if !strings.Contains(e.Message, part) {
			t.Errorf("the error is %q, want %s in it", e.Message, part)
		}
	}
	_, err = users.GetMany(t.Context(), "users/a", "users/b")
	wantError(t, "GetMany", err, client.ErrNotJSON)
	_, err = users.Update(t.Context(), "users/b", func(client.Item[user]) (user, error) {
		t.Error("the change is called")
		return user{}, nil
	})
	wantError(t, "Update", err, client.ErrNotJSON)
	n := 0
	for _, err = range users.All(t.Context(), "users/") {
		n++
	}
	if wantError(t, "All", err, client.ErrNotJSON); n != 2 {
		t.Errorf("All yields %d pairs, want an item and the error", n)
	}

	channels := client.JSON[chan int](kv)
	_, _, err = channels.Set(t.Context(), "channel", nil)
	wantError(t, "Set of a channel", err, client.ErrInvalid)
	_, err = channels.SetMany(t.Context(), map[string]chan int{"channel": nil})
	wantError(t, "SetMany of a channel", err, client.ErrInvalid)
}
