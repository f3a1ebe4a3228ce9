package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"key-value/internal/testkit/proc"
)

// release is the name of the release that the manifests are.
const release = "key-value"

// helm renders and checks a chart.
type helm struct{ program, chart string }

func newHelm(ctx context.Context, chart string) (helm, error) {
	program, err := tool(ctx, "helm", "helm.sh/helm/v4/cmd/helm")
	return helm{program, chart}, err
}

// tool returns the path of a program that tools/kubernetes pins.
func tool(ctx context.Context, name, pkg string) (string, error) {
	root, err := proc.Root(ctx, proc.Module)
	if err != nil {
		return "", err
	}
	return proc.Tool(ctx, filepath.Join(root, "tools", "kubernetes"), name, pkg)
}

// run runs helm with settings, cache and plugins of its own.
func (h helm) run(ctx context.Context, args ...string) (proc.Result, error) {
	home, err := os.MkdirTemp("", "helm-")
	if err != nil {
		return proc.Result{}, err
	}
	defer os.RemoveAll(home)
	env := []string{"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none")}
	return proc.Command{Path: h.program, Args: args, Env: env}.Run(ctx)
}

// template renders the chart with flags such as --set.
func (h helm) template(ctx context.Context, flags ...string) (string, error) {
	r, err := h.run(ctx, append([]string{"template", release, h.chart}, flags...)...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("helm template: %s", r.Err)
	}
	return r.Out, err
}

// manifest returns the file in deploy/kubernetes/manifests that belongs to a values file.
func (h helm) manifest(ctx context.Context, values string) (string, error) {
	text, err := h.template(ctx, "--values", values)
	return "# Generated from values/" + filepath.Base(values) + " by task manifests. Do not edit.\n" + text, err
}
