// Command kubernetes renders the chart of deploy/kubernetes with each of its values files, into manifests for clusters without
// Helm. Its tests check chart and manifests, and run what the manifests say as processes.
//
//	go run -C test ./kubernetes
//
// It builds Helm the first time, which takes several minutes of processor time, and keeps it in the user's cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// dir is deploy/kubernetes, from the directory of this package.
const dir = "../../deploy/kubernetes"

func main() {
	out := flag.String("out", "../deploy/kubernetes/manifests", "`directory` to write to, relative to test/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "../deploy/kubernetes", *out); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
}

// run writes a manifest for each values file below from.
func run(ctx context.Context, from, out string) error {
	h, err := newHelm(ctx, filepath.Join(from, "chart"))
	if err != nil {
		return err
	}
	for _, values := range valuesFiles(from) {
		text, err := h.manifest(ctx, values)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, filepath.Base(values)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// valuesFiles returns the paths of the values files below from.
func valuesFiles(from string) []string {
	files, _ := filepath.Glob(filepath.Join(from, "values", "*.yaml")) // the pattern is valid
	return files
}

// nameOf returns the name of a values file or manifest, without folder and extension.
func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }
