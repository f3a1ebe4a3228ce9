package client_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"key-value/client"
	"key-value/client/clienttest"
)

// increase is a change for Update.
func increase(old client.Entry) ([]byte, error) {
	n, _ := strconv.Atoi(string(old.Value))
	return []byte(strconv.Itoa(n + 1)), nil
}

func TestUpdatesByManyLoseNothing(t *testing.T) {
	t.Parallel()
	kv := start(t)
	const updaters, updates = 16, 4 // each conflict is the success of another, so no update fails 100 times
	var running sync.WaitGroup
	for range updaters {
		running.Go(func() {
			for range updates {
				if _, err := kv.Update(t.Context(), "n", increase); err != nil {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	running.Wait()
	wantValue(t, kv, "n", strconv.Itoa(updaters*updates))
}

func TestAnUpdateCreatesAndReplacesAndKeepsTheTTLIfAsked(t *testing.T) {
	t.Parallel()
	kv := start(t)
	created, err := kv.Update(t.Context(), "n", increase, client.TTL(time.Hour))
	if err != nil || string(created.Value) != "1" || created.TTL == 0 {
		t.Fatalf("Update of a key that does not exist = %+v, %v; want 1 with a TTL", created, err)
	}
	kept, err := kv.Update(t.Context(), "n", increase, client.KeepTTL(), client.IfAbsent())
	if err != nil || string(kept.Value) != "2" || kept.TTL == 0 {
		t.Errorf("Update with KeepTTL = %+v, %v; want 2 with a TTL", kept, err)
	}
	if replaced, err := kv.Update(t.Context(), "n", increase); err != nil || string(replaced.Value) != "3" || replaced.TTL != 0 {
		t.Errorf("Update = %+v, %v; want 3 without a TTL", replaced, err)
	}
}

func TestAnUpdateSeesThatItsEntryWasDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "n", "5")
	entry, err := kv.Update(t.Context(), "n", func(old client.Entry) ([]byte, error) {
		if old.ETag != "" {
			if _, err := kv.Delete(t.Context(), "n"); err != nil {
				t.Error(err)
			}
		}
		return increase(old)
	})
	if err != nil || string(entry.Value) != "1" {
		t.Errorf("Update = %q, %v; want 1", entry.Value, err)
	}
}

func TestAChangeThatFailsWritesNothing(t *testing.T) {
	t.Parallel()
	kv := start(t)
	mustSet(t, kv, "n", "5")
	errNo := errors.New("no")
	if _, err := kv.Update(t.Context(), "n", func(client.Entry) ([]byte, error) { return nil, errNo }); err != errNo {
		t.Errorf("Update = %v, want the error of the change", err)
	}
	conflict := &client.Error{Message: "mine"}
	calls := 0
	_, err := kv.Update(t.Context(), "n", func(client.Entry) ([]byte, error) { calls++; return nil, errors.Join(conflict, client.ErrExists) })
	if !errors.Is(err, conflict) || calls != 1 {
		t.Errorf("Update = %v after %d calls, want the error of the only one", err, calls)
	}
	wantValue(t, kv, "n", "5")
}

// An Update whose change writes the entry itself never succeeds.
func TestAnUpdateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := clienttest.New(t).Client
		attempts := 0
		interfere := func(client.Entry) ([]byte, error) {
			attempts++
			mustSet(t, kv, "n", "theirs")
			return []byte("mine"), nil
		}
		_, err := kv.Update(t.Context(), "n", interfere)
		e := wantError(t, "Update", err, client.ErrETagMismatch)
		if attempts != 100 || !strings.Contains(e.Message, `the key "n"`) {
			t.Errorf("Update gave up after %d attempts with %q, want 100 and the key", attempts, e.Message)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		attempts = 0
		_, err = kv.Update(ctx, "n", interfere)
		wantError(t, "Update", err, context.DeadlineExceeded)
		if attempts < 2 || attempts == 100 {
			t.Errorf("Update gave up after %d attempts, want some", attempts)
		}
		wantValue(t, kv, "n", "theirs")
	})
}
