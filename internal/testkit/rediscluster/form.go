package rediscluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pollEvery is the interval at which nodes are asked for their view of the cluster.
const pollEvery = 25 * time.Millisecond

// form joins nodes that do not know each other into a cluster.
func (c *Cluster) form(ctx context.Context) error {
	for i, node := range c.nodes {
		id, err := node.Do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if node.id, err = id.ToString(); err != nil {
			return err
		}
		// With distinct epochs the nodes need not resolve which configuration wins.
		if _, err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{c.shareSlots, c.meet, c.replicate, c.Settled} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) shareSlots(ctx context.Context) error {
	n := c.config.Primaries
	for i, node := range c.nodes[:n] {
		first, last := strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1)
		if _, err := node.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", first, last); err != nil {
			return err
		}
	}
	return nil
}

// meet introduces all nodes to the first, and waits until each knows all others.
func (c *Cluster) meet(ctx context.Context) error {
	for _, node := range c.nodes[1:] {
		port, bus := strconv.Itoa(node.port), strconv.Itoa(node.bus)
		if _, err := c.nodes[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", port, bus); err != nil {
			return err
		}
	}
	return until(ctx, pollEvery, func(ctx context.Context) error {
		for _, node := range c.nodes {
			members, err := node.members(ctx)
			if err != nil {
				return err
			}
			if known := len(members); known != len(c.nodes) {
				return fmt.Errorf("node %s knows %d of %d nodes", node.Addr(), known, len(c.nodes))
			}
			for _, member := range members {
				if member.has("handshake") {
					return fmt.Errorf("node %s is still in a handshake", node.Addr())
				}
			}
		}
		return nil
	})
}

// replicate assigns the replicas to the primaries in rotation.
func (c *Cluster) replicate(ctx context.Context) error {
	n := c.config.Primaries
	for i, node := range c.nodes[n:] {
		if _, err := node.Do(ctx, "CLUSTER", "REPLICATE", c.nodes[i%n].id); err != nil {
			return err
		}
	}
	return nil
}

// member is how one node describes another, or itself.
type member struct {
	id      string
	flags   []string // such as master, slave, fail
	primary string   // the id of its primary; empty for a primary
	slots   []string // the ranges of slots it owns
}

func (m member) has(flag string) bool {
	for _, f := range m.flags {
		if f == flag {
			return true
		}
	}
	return false
}

// members returns the nodes that n knows.
func (n *Node) members(ctx context.Context) ([]member, error) {
	answer, err := n.Do(ctx, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	text, err := answer.ToString()
	if err != nil {
		return nil, err
	}
	var members []member
	for line := range strings.Lines(text) {
		// id addr flags primary ping-sent pong-received epoch link-state slot...
		fields := strings.Fields(line)
		if len(fields) < 8 {
			return nil, fmt.Errorf("node %s: malformed line of CLUSTER NODES: %q", n.Addr(), line)
		}
		members = append(members, member{
			id: fields[0], flags: strings.Split(fields[2], ","), primary: strings.TrimPrefix(fields[3], "-"), slots: fields[8:],
		})
	}
	return members, nil
}
