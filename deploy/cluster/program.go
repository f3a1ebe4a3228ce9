package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"key-value/internal/testkit/proc"
)

// program is a gateway or a kvservice.
type program struct {
	name string
	*proc.Process
}

// startProgram runs kv with args and waits until it listens. Each line of its log is copied to the deployment's,
// prefixed with name.
func (d *deployment) startProgram(ctx context.Context, name string, env []string, args ...string) (program, error) {
	c := proc.KV(d.kv, env, args...)
	c.Log = &prefixer{name: name, to: d.log}
	p, err := d.programs.Serve(ctx, c)
	if err != nil {
		return program{}, fmt.Errorf("start %s: %w", name, err)
	}
	return program{name, p}, nil
}

// prefixer writes each line with a name before it.
type prefixer struct {
	name string
	to   io.Writer
	rest []byte // an incomplete line
}

func (w *prefixer) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		if _, err := fmt.Fprintf(w.to, "%-11s | %s\n", w.name, line); err != nil {
			return 0, err
		}
	}
}
