package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// nodeInfo is what a node says of itself: name → value.
type nodeInfo map[string]string

func (i nodeInfo) number(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}

// eachPrimary asks every primary for sections of what it says of itself.
func (e *Engine) eachPrimary(ctx context.Context, section string, look func(address string, info nodeInfo) error) error {
	for address, node := range e.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Section("replication", section).Build()).ToString()
		if err != nil {
			return fmt.Errorf("ask %s: %w", address, unread(err))
		}
		info := parseInfo(text)
		if info["role"] != "master" {
			continue
		}
		if err := look(address, info); err != nil {
			return err
		}
	}
	return nil
}

func parseInfo(text string) nodeInfo {
	info := nodeInfo{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}
