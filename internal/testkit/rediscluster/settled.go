package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Shard is a primary with its replicas.
type Shard struct {
	Primary  *Node
	Replicas []*Node // including those that are not running
}

// Shards returns a shard for each primary that owns slots, in the order of their slots. The view is that of one node:
// during a failover others may disagree, so wait until the cluster is Settled.
func (c *Cluster) Shards(ctx context.Context) ([]Shard, error) {
	var errs []error
	for _, node := range c.running() {
		members, err := node.members(ctx)
		if err == nil {
			return c.shards(members), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, errors.New("no node is running"))...)
}

func (c *Cluster) shards(members []member) []Shard {
	var shards []Shard
	slices.SortFunc(members, func(a, b member) int { return firstSlot(a) - firstSlot(b) })
	for _, m := range members {
		if len(m.slots) == 0 {
			continue
		}
		shard := Shard{Primary: c.node(m.id)}
		for _, other := range members {
			if other.primary == m.id {
				shard.Replicas = append(shard.Replicas, c.node(other.id))
			}
		}
		shards = append(shards, shard)
	}
	return shards
}

func firstSlot(m member) int {
	var first int
	if len(m.slots) > 0 {
		fmt.Sscanf(m.slots[0], "%d", &first)
	}
	return first
}

func (c *Cluster) node(id string) *Node {
	return c.nodes[slices.IndexFunc(c.nodes, func(n *Node) bool { return n.id == id })]
}

func (c *Cluster) running() []*Node {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(n *Node) bool { return !n.Running() })
}

// Settled waits until every running node serves and all agree: every slot is owned by a running primary, every other
// running node has copied its primary and is connected to it, and nodes that are not running count as failed. When ctx
// is done, the error says what is missing.
func (c *Cluster) Settled(ctx context.Context) error {
	if err := until(ctx, pollEvery, c.settled); err != nil {
		return fmt.Errorf("the cluster has not settled: %w", err)
	}
	return nil
}

func (c *Cluster) settled(ctx context.Context) error {
	var agreed string
	var shards []Shard
	for _, node := range c.running() {
		if err := node.isOK(ctx); err != nil {
			return err
		}
		members, err := node.members(ctx)
		if err != nil {
			return err
		}
		if err := c.seesFailed(node, members); err != nil {
			return err
		}
		shards = c.shards(members)
		view := describe(shards)
		if agreed != "" && view != agreed {
			return fmt.Errorf("nodes disagree: %s says %s, others %s", node.Addr(), view, agreed)
		}
		agreed = view
	}
	for _, shard := range shards {
		if err := shard.connected(ctx); err != nil {
			return err
		}
	}
	return nil
}

// isOK returns an error unless the node serves clients.
func (n *Node) isOK(ctx context.Context) error {
	info, err := n.info(ctx, "CLUSTER", "INFO")
	if err != nil {
		return err
	}
	if info["cluster_state"] != "ok" || info["cluster_slots_ok"] != fmt.Sprint(slots) {
		return fmt.Errorf("node %s: cluster_state is %s with %s slots", n.Addr(), info["cluster_state"], info["cluster_slots_ok"])
	}
	return nil
}

// seesFailed returns an error unless node considers exactly those nodes failed that are not running.
func (c *Cluster) seesFailed(node *Node, members []member) error {
	for _, m := range members {
		other := c.node(m.id)
		if failed := m.has("fail") || m.has("fail?"); failed == other.Running() {
			return fmt.Errorf("node %s has not noticed the state of %s", node.Addr(), other.Addr())
		}
	}
	return nil
}

// connected returns an error unless the running replicas have copied the primary and are connected to it, as both ends
// see it.
func (s Shard) connected(ctx context.Context) error {
	info, err := s.Primary.info(ctx, "INFO", "replication")
	if err != nil {
		return err
	}
	online, want := 0, 0
	for name, value := range info {
		if strings.HasPrefix(name, "slave") && strings.Contains(value, "state=online") {
			online++
		}
	}
	for _, replica := range s.Replicas {
		if !replica.Running() {
			continue
		}
		want++
		info, err := replica.info(ctx, "INFO", "replication")
		if err != nil {
			return err
		}
		if info["master_link_status"] != "up" {
			return fmt.Errorf("replica %s is not connected to its primary %s", replica.Addr(), s.Primary.Addr())
		}
	}
	if online != want {
		return fmt.Errorf("primary %s has %d connected replicas, want %d", s.Primary.Addr(), online, want)
	}
	return nil
}

// info sends a command whose answer is lines of name:value.
func (n *Node) info(ctx context.Context, args ...string) (map[string]string, error) {
	answer, err := n.Do(ctx, args...)
	if err != nil {
		return nil, err
	}
	text, err := answer.ToString()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		info[name] = value
	}
	return info, nil
}

// describe returns the same text for the same shards.
func describe(shards []Shard) string {
	var text strings.Builder
	for _, shard := range shards {
		var replicas []string
		for _, replica := range shard.Replicas {
			replicas = append(replicas, replica.Addr())
		}
		slices.Sort(replicas)
		fmt.Fprintf(&text, "%s←%s ", shard.Primary.Addr(), strings.Join(replicas, ","))
	}
	return text.String()
}
