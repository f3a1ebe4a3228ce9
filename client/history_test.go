package client_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"key-value/client"
	"key-value/kvservice/store"
)

// change is a change in the history of the engine, or as a watch reported it.
type change struct {
	text     string
	revision uint64
}

// revisionOf returns the revision in a token of the memory engine, or of the service, which appends a checksum.
func revisionOf(t *testing.T, token string) uint64 {
	t.Helper()
	if strings.Count(token, "-") == 2 {
		token = token[:strings.LastIndex(token, "-")]
	}
	version, ok := store.ParseVersion(token)
	if !ok {
		t.Fatalf("%q is not a resume token", token)
	}
	return version.Revision
}

// record reads the history of the engine, without a network, up to the key "end".
func record(t *testing.T, watcher store.Watcher) []change {
	var history []change
	for {
		e, err := watcher.Next(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		text := "delete " + e.Entry.Key
		switch e.Type {
		case store.Sync:
			continue
		case store.Put:
			text = fmt.Sprintf("put %s=%s", e.Entry.Key, e.Entry.Value)
		}
		history = append(history, change{text, revisionOf(t, e.Token)})
		if e.Entry.Key == "end" {
			return history
		}
	}
}

// write makes n random changes in each of three goroutines, which use different keys, and then sets "end". It returns the
// acknowledged changes of each goroutine.
func write(t *testing.T, kv *client.Client, seed uint64, n int) [][]string {
	done := make([][]string, 3)
	var writers sync.WaitGroup
	for i := range done {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for step := range n {
				key := fmt.Sprintf("%d/%d", i, random.IntN(20))
				if random.IntN(4) == 0 {
					deleted, err := kv.Delete(t.Context(), key)
					if err != nil {
						t.Errorf("Delete = %v", err)
					}
					if deleted {
						done[i] = append(done[i], "delete "+key)
					}
					continue
				}
				if _, _, err := kv.Set(t.Context(), key, fmt.Append(nil, step)); err != nil {
					t.Errorf("Set = %v", err)
				}
				done[i] = append(done[i], fmt.Sprintf("put %s=%d", key, step))
			}
		})
	}
	writers.Wait()
	if _, _, err := kv.Set(t.Context(), "end", nil); err != nil {
		t.Errorf("Set(end) = %v", err)
	}
	return done
}

func wantChanges(t *testing.T, got, want []change) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w change
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("change %d of %d: the watch reported %q of revision %d, the history has %q of revision %d",
				i, len(want), g.text, g.revision, w.text, w.revision)
		}
	}
}

// of returns the changes to the keys of one writer.
func of(writer int, changes []change) []string {
	var own []string
	for _, c := range changes {
		for _, kind := range []string{"put", "delete"} {
			if prefix := fmt.Sprintf("%s %d/", kind, writer); len(c.text) > len(prefix) && c.text[:len(prefix)] == prefix {
				own = append(own, c.text)
			}
		}
	}
	return own
}

// mirror is the copy of a store that the reader of a watch keeps.
type mirror struct {
	entries map[string]string // :: key → value
	synced  uint64            // revision of the latest snapshot
	changes []change          // since the snapshot
}

func (m *mirror) apply(t *testing.T, event client.Event) {
	t.Helper()
	switch event.Type {
	case client.EventReset:
		clear(m.entries)
		return
	case client.EventSync:
		m.synced, m.changes = revisionOf(t, event.ResumeToken), nil
		return
	case client.EventPut:
		m.entries[event.Entry.Key] = string(event.Entry.Value)
	default:
		delete(m.entries, event.Entry.Key)
	}
	if event.ResumeToken != "" {
		m.changes = append(m.changes, change{describe(event), revisionOf(t, event.ResumeToken)})
	}
}

// wantAll checks that m equals the store.
func (m *mirror) wantAll(t *testing.T, kv *client.Client) {
	t.Helper()
	n := 0
	for entry, err := range kv.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; m.entries[entry.Key] != string(entry.Value) {
			t.Errorf("the copy has %s=%q, the store %q", entry.Key, m.entries[entry.Key], entry.Value)
		}
	}
	if n != len(m.entries) {
		t.Errorf("the copy has %d entries, the store %d", len(m.entries), n)
	}
}
