package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"key-value/internal/testkit/rediscluster"
)

// memoryFigures is what the entries take at a site, in bytes for each of them.
type memoryFigures struct {
	// Entry is an entry with its place in the index, at the primaries or in the kvservice.
	Entry float64 `json:"entry"`
	// Change is what is kept of its latest change for watches to resume from, at the primaries.
	Change float64 `json:"change,omitempty"`
}

// taken is how much memory the primaries' data takes, in bytes: entries, the keyspace that holds them, the index and
// changes; and of that what is not the keyspace's own.
type taken struct{ all, dataset float64 }

// taken asks the primaries.
func (s *site) taken(ctx context.Context) (taken, error) {
	var t taken
	if s.memory {
		return t, nil
	}
	primaries, err := s.primaries(ctx)
	if err != nil {
		return t, err
	}
	for _, node := range primaries {
		info, err := ask(ctx, node, "INFO", "memory")
		if err != nil {
			return t, err
		}
		t.all += number(info, "used_memory")
		for _, other := range []string{"mem_clients_normal", "mem_clients_slaves", "mem_total_replication_buffers", "mem_cluster_links"} {
			t.all -= number(info, other)
		}
		t.dataset += number(info, "used_memory_dataset")
	}
	return t, nil
}

// measureMemory finds out what each of n entries takes, when there were none before.
func (s *site) measureMemory(ctx context.Context, empty taken, n int) error {
	full, err := s.taken(ctx)
	if err != nil {
		return err
	}
	stats, err := s.client.Stats(ctx)
	if err != nil {
		return err
	}
	if s.memory {
		s.Entry = float64(stats.MemoryBytes) / float64(n)
		return nil
	}
	// The service counts changes out.
	s.Change = (full.dataset - float64(stats.MemoryBytes)) / float64(n)
	s.Entry = (full.all-empty.all)/float64(n) - s.Change
	return nil
}

// primaries returns the nodes that have slots, or the only node.
func (s *site) primaries(ctx context.Context) ([]*rediscluster.Node, error) {
	if s.config.Primaries == 0 {
		return s.nodes.Nodes(), nil
	}
	shards, err := s.nodes.Shards(ctx)
	if err != nil {
		return nil, err
	}
	var primaries []*rediscluster.Node
	for _, shard := range shards {
		primaries = append(primaries, shard.Primary)
	}
	return primaries, nil
}

// ask has a node answer with text.
func ask(ctx context.Context, node *rediscluster.Node, args ...string) (string, error) {
	answer, err := node.Do(ctx, args...)
	if err != nil {
		return "", err
	}
	return answer.ToString()
}

// number returns a number of what INFO answers, or 0 if it is not there.
func number(info, name string) float64 {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return 0
}

// findLibrary asks a node what the functions are called that the service has told it of.
func (s *site) findLibrary(ctx context.Context) (string, error) {
	answer, err := s.nodes.Nodes()[0].Do(ctx, "FUNCTION", "LIST")
	if err != nil {
		return "", err
	}
	return libraryName(answer)
}

// libraryName reads the answer to FUNCTION LIST: for each library a list of names and values, the first of which is
// what it is called.
func libraryName(answer rueidis.RedisMessage) (string, error) {
	libraries, err := answer.ToArray()
	if err != nil || len(libraries) != 1 {
		return "", errNoLibrary
	}
	fields, err := libraries[0].ToArray()
	if err != nil || len(fields) < 2 {
		return "", errNoLibrary
	}
	return fields[1].ToString()
}
