package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"key-value/internal/testkit/rediscluster"
)

// memoryFigures is the memory per entry at a site, in bytes.
type memoryFigures struct {
	// Entry is the entry with its index, at the primaries or in the kvservice.
	Entry float64 `json:"entry"`
	// Change is the entry's latest change, which the primaries keep so that watches can resume.
	Change float64 `json:"change,omitempty"`
}

// taken is the memory of the primaries' data in bytes: entries, keyspace, index and changes; and the part of it that is
// not the keyspace.
type taken struct{ all, dataset float64 }

// taken sums the memory of the primaries.
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

// measureMemory computes the memory per entry, of n entries at a site that was empty.
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
	// The service does not count changes.
	s.Change = (full.dataset - float64(stats.MemoryBytes)) / float64(n)
	s.Entry = (full.all-empty.all)/float64(n) - s.Change
	return nil
}

// primaries returns the nodes that own slots, or the only node.
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

// ask sends a command whose answer is text.
func ask(ctx context.Context, node *rediscluster.Node, args ...string) (string, error) {
	answer, err := node.Do(ctx, args...)
	if err != nil {
		return "", err
	}
	return answer.ToString()
}

// number returns a field of INFO as a number, or 0 if it has none.
func number(info, name string) float64 {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n
		}
	}
	return 0
}

// findLibrary returns the name under which the service has loaded its functions.
func (s *site) findLibrary(ctx context.Context) (string, error) {
	answer, err := s.nodes.Nodes()[0].Do(ctx, "FUNCTION", "LIST")
	if err != nil {
		return "", err
	}
	return libraryName(answer)
}

// libraryName parses the answer to FUNCTION LIST: a list of names and values for each library, of which the first value
// is the library's name.
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
