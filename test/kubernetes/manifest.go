package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is what the tests read of the objects in a manifest.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     spec
}

// spec has the members of all kinds that the tests read.
type spec struct {
	Replicas *int
	Type     string
	// Selector is a labelSelector, or of Services the labels themselves.
	Selector map[string]any
	Template struct {
		Metadata struct{ Labels map[string]string }
		Spec     pod
	}
	VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	Ports                []struct {
		Name       string
		Port       int
		TargetPort string `yaml:"targetPort"`
	}
	PodSelector labelSelector `yaml:"podSelector"`
	PolicyTypes []string      `yaml:"policyTypes"`
	Ingress     []policyRule
	Egress      []policyRule
	SecretName  string   `yaml:"secretName"`
	DNSNames    []string `yaml:"dnsNames"`
	Usages      []string
	Strategy    struct{ Type string }
	Endpoints   []struct{ Port string }
}

type labelSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

// policyRule is a rule of a NetworkPolicy.
type policyRule struct {
	From, To []struct {
		PodSelector       *labelSelector `yaml:"podSelector"`
		NamespaceSelector *labelSelector `yaml:"namespaceSelector"`
	}
	Ports []struct{ Port int }
}

// pod is the spec of a pod.
type pod struct {
	GracePeriod         int   `yaml:"terminationGracePeriodSeconds"`
	ServiceLinks        *bool `yaml:"enableServiceLinks"`
	ServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	Spread              []any `yaml:"topologySpreadConstraints"`
	Security            struct {
		NonRoot bool                  `yaml:"runAsNonRoot"`
		User    int                   `yaml:"runAsUser"`
		Group   int                   `yaml:"runAsGroup"`
		FSGroup int                   `yaml:"fsGroup"`
		Seccomp struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []container
	Volumes    []struct {
		Name   string
		Secret *struct {
			Name string `yaml:"secretName"`
			Mode int    `yaml:"defaultMode"`
		}
	}
}

// container is a container of a pod.
type container struct {
	Name string
	Args []string
	Env  []struct {
		Name, Value string
		From        struct {
			Secret *struct {
				Name, Key string
				Optional  bool
			} `yaml:"secretKeyRef"`
			Resource *struct{ Resource string } `yaml:"resourceFieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Startup   probe `yaml:"startupProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Resources struct{ Limits, Requests map[string]string }
	Security  struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRoot bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop, Add []string }
	} `yaml:"securityContext"`
	Mounts []struct {
		Name     string
		Path     string `yaml:"mountPath"`
		ReadOnly bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

// probe is a probe of a container, over HTTP or gRPC.
type probe struct {
	HTTP *struct{ Path, Port, Scheme string } `yaml:"httpGet"`
	GRPC *struct{ Port int }
}

// manifest is the objects of a manifest.
type manifest []object

func readManifest(file string) (m manifest, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseManifest(string(text))
}

func parseManifest(text string) (m manifest, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return m, nil
		case err != nil:
			return nil, err
		case o.Kind != "":
			m = append(m, o)
		}
	}
}

// find returns the object of a kind with a name.
func (m manifest) find(kind, name string) (object, bool) {
	for _, o := range m {
		if o.Kind == kind && o.Metadata.Name == name {
			return o, true
		}
	}
	return object{}, false
}

// workload returns the Deployment or StatefulSet of a component: gateway or kvservice.
func (m manifest) workload(component string) (object, error) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		if o, ok := m.find(kind, release+"-"+component); ok {
			return o, nil
		}
	}
	return object{}, fmt.Errorf("no Deployment or StatefulSet of the %s", component)
}

// of returns the objects of a kind.
func (m manifest) of(kind string) (all []object) {
	for _, o := range m {
		if o.Kind == kind {
			all = append(all, o)
		}
	}
	return all
}

// flag returns the value of a flag of the container, or "".
func (c container) flag(name string) string {
	for _, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// port returns the number of a port of the container, by name or number.
func (c container) port(name string) (int, bool) {
	for _, p := range c.Ports {
		if p.Name == name || fmt.Sprint(p.Port) == name {
			return p.Port, true
		}
	}
	return 0, false
}

// selects reports whether labels are those of pods with the template's labels.
func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}
