package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// buildPatience is how long building Helm may take, on a busy machine.
const buildPatience = time.Hour

var (
	theHelm = sync.OnceValues(func() (helm, error) {
		ctx, cancel := context.WithTimeout(context.Background(), buildPatience)
		defer cancel()
		return newHelm(ctx, filepath.Join(dir, "chart"))
	})
	theKubeconform = sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), buildPatience)
		defer cancel()
		return tool(ctx, "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform")
	})
)

// need fails the test if KV_REQUIRE_HELM is 1, and skips it otherwise, if what it needs cannot be had.
func need(t *testing.T, err error) {
	t.Helper()
	switch {
	case err != nil && os.Getenv("KV_REQUIRE_HELM") == "1":
		t.Fatal(err)
	case err != nil:
		t.Skipf("NOT CHECKED: %v", err)
	}
}

func needHelm(t *testing.T) helm {
	t.Helper()
	h, err := theHelm()
	need(t, err)
	return h
}

// eachValues runs a test for each values file.
func eachValues(t *testing.T, test func(t *testing.T, values string)) {
	t.Helper()
	files := valuesFiles(dir)
	if len(files) == 0 {
		t.Fatal("no values files")
	}
	for _, values := range files {
		t.Run(nameOf(values), func(t *testing.T) { test(t, values) })
	}
}

// eachManifest runs a test for each manifest.
func eachManifest(t *testing.T, test func(t *testing.T, m manifest)) {
	t.Helper()
	eachValues(t, func(t *testing.T, values string) { test(t, manifestOf(t, values)) })
}

// manifestOf returns the manifest that belongs to a values file.
func manifestOf(t *testing.T, values string) manifest {
	t.Helper()
	m, err := readManifest(filepath.Join(dir, "manifests", filepath.Base(values)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManifestsAreWhatTheChartRenders(t *testing.T) {
	h := needHelm(t)
	known := map[string]bool{}
	eachValues(t, func(t *testing.T, values string) {
		known[filepath.Base(values)] = true
		want, err := h.manifest(t.Context(), values)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "manifests", filepath.Base(values)))
		if err != nil || string(got) != want {
			t.Errorf("manifests/%s is out of date: run task manifests (%v)", filepath.Base(values), err)
		}
	})
	files, _ := filepath.Glob(filepath.Join(dir, "manifests", "*")) // the pattern is valid
	for _, file := range files {
		if !known[filepath.Base(file)] {
			t.Errorf("%s belongs to no values file", file)
		}
	}
}

func TestHelmLintsTheChart(t *testing.T) {
	h := needHelm(t)
	eachValues(t, func(t *testing.T, values string) {
		r, err := h.run(t.Context(), "lint", "--strict", h.chart, "--values", values)
		if err != nil || r.Code != 0 || !strings.Contains(r.Out, "0 chart(s) failed") {
			t.Errorf("helm lint = %+v, %v", r, err)
		}
	})
}

// TestBadValuesGetAClearAnswer has a mistake of each kind that values.schema.json and validate.yaml look for.
func TestBadValuesGetAClearAnswer(t *testing.T) {
	h := needHelm(t)
	for _, test := range []struct{ set, says string }{
		{"gateway.replica=3", "additional properties 'replica' not allowed"},
		{"gateway.replicas=none", "at '/gateway/replicas': got string, want integer"},
		{"gateway.drainSeconds=0", "at '/gateway/drainSeconds': minimum: got 0, want 1"},
		{"gateway.resources.limits.memory=512MB", "at '/gateway/resources/limits/memory': '512MB' does not match pattern"},
		{"gateway.resources.limits.memory=null", "missing property 'memory'"},
		{"gateway.autoscaling.minReplicas=20", "gateway.autoscaling.minReplicas is 20, which is more than maxReplicas, 10"},
		{"gateway.trustedProxies={10.0.0.1}", "'10.0.0.1' does not match pattern"},
		{"gateway.extraArgs={-v}", "'-v' does not match pattern"},
		{"tls.mode=on", "value must be one of 'off', 'cert-manager', 'secrets'"},
		{"store.url=postgres://db:5432", "'postgres://db:5432' does not match pattern"},
		{"store.url=redis://user:secret@redis:6379", "does not match pattern"},
		{"store.url=redis://redis", "does not match pattern"},
		{"store.caSecret=ca", "store.credentialsSecret and store.caSecret are for stores in Redis and etcd, but store.url is memory"},
		{"kvservice.replicas=2", "kvservice.replicas is 2, but a store in memory has one: set store.url"},
		{"kvservice.maxMemory=700Mi", "kvservice.maxMemory is 700Mi, which is more than two thirds of kvservice.resources.limits.memory, 1Gi"},
		{"kvservice.maxMemory=100Mi,store.url=redis://redis:6379", "kvservice.maxMemory is 100Mi, but the entries are in redis://redis:6379"},
		{"kvservice.onFull=panic", "value must be one of 'reject', 'evict'"},
		{"kvservice.persistence.fsync=soon", "'soon' does not match pattern"},
		{"serviceToken.value=short", "at '/serviceToken/value': 'short' does not match pattern"},
		{"serviceToken.value=0123456789abcdef,serviceToken.secret=token", "serviceToken.secret and serviceToken.value are both set"},
		{"apiKeys.file=x,apiKeys.secret=y", "apiKeys.secret and apiKeys.file are both set"},
		{"image=key-value", "at '/image': 'key-value' does not match pattern"},
	} {
		t.Run(test.set, func(t *testing.T) {
			t.Parallel()
			if _, err := h.template(t.Context(), "--set", test.set); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("helm template says %v, want %q", err, test.says)
			}
		})
	}
}

// TestManifestsFollowTheSchemas checks manifests against the API of Kubernetes, in which a member that does not exist is an
// error, and that of cert-manager and the Prometheus operator.
func TestManifestsFollowTheSchemas(t *testing.T) {
	kubeconform, err := theKubeconform()
	need(t, err)
	schemas := t.TempDir()
	need(t, writeSchemas(t.Context(), schemas))
	check := func(t *testing.T, file string) proc.Result {
		t.Helper()
		location := filepath.Join(schemas, "{{.ResourceKind}}{{.KindSuffix}}.json")
		r, err := proc.Command{Path: kubeconform, Args: []string{"-strict", "-verbose", "-schema-location", location, file}}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	eachValues(t, func(t *testing.T, values string) {
		file := filepath.Join(dir, "manifests", filepath.Base(values))
		if r := check(t, file); r.Code != 0 || strings.Count(r.Out, " is valid\n") != len(manifestOf(t, values)) {
			t.Errorf("kubeconform = %+v", r)
		}
	})
	t.Run("every value", func(t *testing.T) {
		text, err := needHelm(t).template(t.Context(), "--values", "testdata/every.yaml")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "every.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := check(t, file); r.Code != 0 {
			t.Errorf("kubeconform = %+v\n%s", r, text)
		}
	})
	for kind, wrong := range map[string]string{
		"apps/v1 Deployment":                      "spec: {selector: {}, template: {spec: {containers: [{name: a, readOnly: true}]}}}",
		"apps/v1 StatefulSet":                     "spec: {selector: {}, serviceName: 7, template: {}}",
		"autoscaling/v2 HorizontalPodAutoscaler":  "spec: {maxReplicas: many, scaleTargetRef: {kind: Deployment, name: a}}",
		"cert-manager.io/v1 Certificate":          "spec: {secretName: a, issuerRef: {name: a}, dnsName: a}",
		"cert-manager.io/v1 Issuer":               "spec: {ca: {secret: a}}",
		"monitoring.coreos.com/v1 ServiceMonitor": "spec: {selector: {}, endpoints: [{ports: a}]}",
		"networking.k8s.io/v1 NetworkPolicy":      "spec: {podSelector: {}, ingress: [{form: []}]}",
		"policy/v1 PodDisruptionBudget":           "spec: {maxUnavailables: 1}",
		"v1 Secret":                               "stringData: {a: 7}",
		"v1 Service":                              "spec: {ports: [{name: a}]}",
	} {
		t.Run("a mistake in "+kind, func(t *testing.T) {
			version, kind, _ := strings.Cut(kind, " ")
			file := filepath.Join(t.TempDir(), "wrong.yaml")
			text := "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: a}\n" + wrong + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := check(t, file); r.Code == 0 || !strings.Contains(r.Out, "is invalid") {
				t.Errorf("kubeconform = %+v, want that it is invalid", r)
			}
		})
	}
}

// TestSecretsAppearOnlyInSecrets gives the chart the contents of secrets, which must be in no other object.
func TestSecretsAppearOnlyInSecrets(t *testing.T) {
	h := needHelm(t)
	const token, keys = "token-that-nobody-guesses", `{"version": 1, "keys": ["of a file"]}`
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	eachValues(t, func(t *testing.T, values string) {
		text, err := h.template(t.Context(), "--values", values, "--set", "serviceToken.value="+token, "--set-file", "apiKeys.file="+file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, object := range strings.Split(text, "\n---\n") {
			if !strings.Contains(object, token) && !strings.Contains(object, "of a file") {
				continue
			}
			if found++; !strings.Contains(object, "\nkind: Secret\n") {
				t.Errorf("a secret is in another object:\n%s", object)
			}
		}
		if found != 2 {
			t.Errorf("secrets are in %d objects, want 2", found)
		}
	})
}
