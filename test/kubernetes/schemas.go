package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"key-value/internal/testkit/proc"
)

// source is a Go module that has descriptions of objects, which are read from the module proxy like any other module.
type source struct{ module, version, sum string }

var (
	kubernetes  = source{"k8s.io/kubernetes", "v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="}
	certManager = source{"github.com/cert-manager/cert-manager", "v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68="}
	prometheus  = source{"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="}
)

// dir returns the directory of the module, which it downloads if need be.
func (s source) dir(ctx context.Context) (string, error) {
	out, err := proc.Command{Path: "go", Args: []string{"mod", "download", "-json", s.module + "@" + s.version}, Dir: os.TempDir()}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", s.module, err)
	}
	var got struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return "", err
	}
	if got.Sum != s.sum {
		return "", fmt.Errorf("%s %s has the sum %s, want %s", s.module, s.version, got.Sum, s.sum)
	}
	return got.Dir, nil
}

// node is a part of a schema.
type node = map[string]any

// writeSchemas writes into out, for each kind of object that the chart may render, the schema that kubeconform checks it with.
func writeSchemas(ctx context.Context, out string) error {
	dir, err := kubernetes.dir(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	var swagger struct{ Definitions map[string]node }
	if err := json.Unmarshal(text, &swagger); err != nil {
		return err
	}
	for _, kind := range []string{
		"apps.v1.Deployment", "apps.v1.StatefulSet", "autoscaling.v2.HorizontalPodAutoscaler", "core.v1.Secret", "core.v1.Service",
		"networking.v1.NetworkPolicy", "policy.v1.PodDisruptionBudget",
	} {
		if err := writeSchema(out, kind, schemaOf(swagger.Definitions, "io.k8s.api."+kind)); err != nil {
			return err
		}
	}
	for file, s := range map[string]source{
		"deploy/crds/cert-manager.io_issuers.yaml":                                   certManager,
		"deploy/crds/cert-manager.io_certificates.yaml":                              certManager,
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml": prometheus,
	} {
		if err := writeCustomSchema(ctx, out, s, file); err != nil {
			return err
		}
	}
	return nil
}

// writeCustomSchema writes the schema in a CustomResourceDefinition.
func writeCustomSchema(ctx context.Context, out string, s source, file string) error {
	dir, err := s.dir(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	var definition struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					Object node `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return err
	}
	for _, v := range definition.Spec.Versions {
		schema := strict(v.Schema.Object).(node)
		schema["properties"].(node)["metadata"] = node{"type": "object"}
		if err := writeSchema(out, definition.Spec.Group+"."+v.Name+"."+definition.Spec.Names.Kind, schema); err != nil {
			return err
		}
	}
	return nil
}

// writeSchema writes the schema of a kind, such as apps.v1.Deployment, to where kubeconform looks for it.
func writeSchema(out, kind string, schema node) error {
	parts := strings.Split(kind, ".")
	name := parts[len(parts)-1] + "-" + parts[0] + "-" + parts[len(parts)-2]
	name = strings.Replace(strings.ToLower(name), "-core-", "-", 1)
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, name+".json"), text, 0o644)
}

// schemaOf returns the schema of a definition of Kubernetes, with those that it refers to.
func schemaOf(definitions map[string]node, name string) node {
	const prefix = "#/definitions/"
	used := node{}
	var use func(any)
	use = func(part any) {
		switch part := part.(type) {
		case node:
			if ref, ok := part["$ref"].(string); ok {
				name := strings.TrimPrefix(ref, prefix)
				if _, ok := used[name]; !ok {
					used[name] = definition(name, definitions[name])
					use(definitions[name])
				}
			}
			for _, p := range part {
				use(p)
			}
		case []any:
			for _, p := range part {
				use(p)
			}
		}
	}
	use(node{"$ref": prefix + name})
	return node{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": used, "allOf": []any{node{"$ref": prefix + name}}}
}

// definition returns a definition as JSON Schema.
func definition(name string, d node) any {
	switch name {
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return node{"type": []any{"string", "number"}}
	}
	return strict(d)
}

// strict returns the schema with no other properties than those that objects have.
func strict(part any) any {
	switch part := part.(type) {
	case node:
		made := node{}
		for key, p := range part {
			made[key] = strict(p)
		}
		if _, ok := made["properties"].(node); ok && made["additionalProperties"] == nil && made["x-kubernetes-preserve-unknown-fields"] == nil {
			made["additionalProperties"] = false
		}
		if made["x-kubernetes-int-or-string"] == true {
			delete(made, "anyOf")
			made["type"] = []any{"string", "integer"}
		}
		return made
	case []any:
		made := make([]any, len(part))
		for i, p := range part {
			made[i] = strict(p)
		}
		return made
	}
	return part
}
