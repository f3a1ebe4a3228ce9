package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var components = []string{"gateway", "kvservice"}

// eachPod runs a test for the pods of each component of each manifest.
func eachPod(t *testing.T, test func(t *testing.T, m manifest, component string, o object)) {
	t.Helper()
	eachManifest(t, func(t *testing.T, m manifest) {
		for _, component := range components {
			t.Run(component, func(t *testing.T) { test(t, m, component, workload(t, m, component)) })
		}
	})
}

func workload(t *testing.T, m manifest, component string) object {
	t.Helper()
	o, err := m.workload(component)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(o.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("the %s has %d containers, want 1", component, n)
	}
	return o
}

// Pods comply with the Pod Security Standard "restricted", and more.
func TestPodsAreRestricted(t *testing.T) {
	eachPod(t, func(t *testing.T, _ manifest, _ string, o object) {
		p := o.Spec.Template.Spec
		if s := p.Security; !s.NonRoot || s.User == 0 || s.Group == 0 || s.FSGroup == 0 || s.Seccomp.Type != "RuntimeDefault" {
			t.Errorf("the security context of the pod is %+v", s)
		}
		if p.ServiceAccountToken == nil || *p.ServiceAccountToken {
			t.Error("the pod gets a token for the API of Kubernetes")
		}
		if p.ServiceLinks == nil || *p.ServiceLinks {
			t.Error("Services add variables to the pod, which may begin with KV_")
		}
		s := p.Containers[0].Security
		if s.Escalation == nil || *s.Escalation || !s.ReadOnlyRoot || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || s.Capabilities.Add != nil {
			t.Errorf("the security context of the container is %+v", s)
		}
		for _, mount := range p.Containers[0].Mounts {
			if !mount.ReadOnly && mount.Name != "data" {
				t.Errorf("%s is mounted to be written", mount.Path)
			}
		}
	})
}

// The drain and the delay before it end before the pod is killed, whatever the values are.
func TestTheGracePeriodCoversTheDrain(t *testing.T) {
	check := func(t *testing.T, _ manifest, _ string, o object) {
		t.Helper()
		p := o.Spec.Template.Spec
		var takes time.Duration
		for _, flag := range []string{"drain-delay", "drain"} {
			d, err := time.ParseDuration(p.Containers[0].flag(flag))
			if err != nil {
				t.Error(err)
			}
			takes += d
		}
		if grace := time.Duration(p.GracePeriod) * time.Second; grace <= takes {
			t.Errorf("the pod is killed after %v, but --drain-delay and --drain take %v", grace, takes)
		}
	}
	eachPod(t, check)
	t.Run("other values", func(t *testing.T) {
		h := needHelm(t)
		text, err := h.template(t.Context(), "--set", "gateway.drainDelaySeconds=90,gateway.drainSeconds=600,kvservice.drainDelaySeconds=0,kvservice.drainSeconds=1")
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		for component, want := range map[string]int{"gateway": 695, "kvservice": 6} {
			o := workload(t, m, component)
			check(t, m, component, o)
			if got := o.Spec.Template.Spec.GracePeriod; got != want {
				t.Errorf("the grace period of the %s is %d s, want %d s", component, got, want)
			}
		}
	})
}

// What the process may use is what the container may use, all of which is requested.
func TestTheMemoryLimitIsThatOfTheContainer(t *testing.T) {
	eachPod(t, func(t *testing.T, _ manifest, _ string, o object) {
		c := o.Spec.Template.Spec.Containers[0]
		if limit := c.Resources.Limits["memory"]; limit == "" || limit != c.Resources.Requests["memory"] {
			t.Errorf("limits %v, requests %v, want the same memory", c.Resources.Limits, c.Resources.Requests)
		}
		for _, env := range c.Env {
			if env.Name == "KV_MEMORY_LIMIT" && env.From.Resource != nil && env.From.Resource.Resource == "limits.memory" {
				return
			}
		}
		t.Errorf("no KV_MEMORY_LIMIT from limits.memory in %+v", c.Env)
	})
}

// listening returns the ports on which a container listens, by its flags.
func listening(t *testing.T, c container) (ports []int) {
	t.Helper()
	for _, flag := range []string{"listen", "admin-listen"} {
		port, err := strconv.Atoi(strings.TrimPrefix(c.flag(flag), ":"))
		if err != nil {
			t.Errorf("--%s of %s: %v", flag, c.Name, err)
		}
		ports = append(ports, port)
	}
	return ports
}

// The ports of containers are those on which they listen, and NetworkPolicies admit callers to these and no others.
func TestPoliciesAdmitCallersToThePortsThatListen(t *testing.T) {
	eachPod(t, func(t *testing.T, m manifest, component string, o object) {
		c, labels := o.Spec.Template.Spec.Containers[0], o.Spec.Template.Metadata.Labels
		want := listening(t, c)
		var named []int
		for _, p := range c.Ports {
			named = append(named, p.Port)
		}
		if !slices.Equal(named, want) {
			t.Errorf("the container has the ports %v, but listens on %v", named, want)
		}
		policy, ok := m.find("NetworkPolicy", release+"-"+component)
		if !ok || !selects(policy.Spec.PodSelector.MatchLabels, labels) || !slices.Equal(policy.Spec.PolicyTypes, []string{"Ingress", "Egress"}) {
			t.Fatalf("the policy is %+v, want one for pods with the labels %v", policy, labels)
		}
		var admitted []int
		for _, rule := range policy.Spec.Ingress {
			if len(rule.Ports) != 1 {
				t.Fatalf("rule %+v has %d ports, want 1", rule, len(rule.Ports))
			}
			port := rule.Ports[0].Port
			admitted = append(admitted, port)
			switch {
			case port == want[1]: // admin
				if len(rule.From) != 1 || rule.From[0].NamespaceSelector == nil {
					t.Errorf("the admin port is open to %+v, want one namespace", rule.From)
				}
			case component == "gateway":
				if rule.From != nil {
					t.Errorf("the public port is open to %+v only", rule.From)
				}
			default:
				gateway := workload(t, m, "gateway").Spec.Template.Metadata.Labels
				if len(rule.From) != 1 || rule.From[0].PodSelector == nil || !selects(rule.From[0].PodSelector.MatchLabels, gateway) || selects(rule.From[0].PodSelector.MatchLabels, labels) {
					t.Errorf("the kvservice is open to %+v, want gateways only", rule.From)
				}
			}
		}
		if !slices.Equal(admitted, want) {
			t.Errorf("the policy admits callers to %v, but the container listens on %v", admitted, want)
		}
	})
}

// Pods may reach what their flags name, and DNS.
func TestPoliciesLetPodsReachWhatTheyNeed(t *testing.T) {
	eachManifest(t, func(t *testing.T, m manifest) {
		service := workload(t, m, "kvservice").Spec.Template
		for component, flag := range map[string]string{"gateway": "service", "kvservice": "store"} {
			target := workload(t, m, component).Spec.Template.Spec.Containers[0].flag(flag)
			policy, _ := m.find("NetworkPolicy", release+"-"+component)
			var reached []int
			for _, rule := range policy.Spec.Egress {
				for _, p := range rule.Ports {
					reached = append(reached, p.Port)
				}
				if rule.To != nil && (len(rule.To) != 1 || !selects(rule.To[0].PodSelector.MatchLabels, service.Metadata.Labels)) {
					t.Errorf("the gateway may reach %+v, want the kvservice", rule.To)
				}
			}
			if target == "memory" {
				if reached != nil {
					t.Errorf("a store in memory may reach the ports %v", reached)
				}
				continue
			}
			port, err := strconv.Atoi(target[strings.LastIndexByte(target, ':')+1:])
			if want := []int{53, 53, port}; err != nil || !slices.Equal(reached, want) {
				t.Errorf("the %s, with --%s=%s, may reach the ports %v, want %v", component, flag, target, reached, want)
			}
		}
	})
}

// Every Service, and every other selector, selects pods, and sends to a port that they have.
func TestServicesLeadToPortsOfPods(t *testing.T) {
	eachManifest(t, func(t *testing.T, m manifest) {
		for _, o := range m {
			if o.Kind != "Service" && o.Kind != "PodDisruptionBudget" && o.Kind != "Deployment" && o.Kind != "StatefulSet" {
				continue
			}
			selector := o.Spec.Selector
			if inner, ok := selector["matchLabels"].(map[string]any); ok {
				selector = inner
			}
			selected := 0
			for _, component := range components {
				template := workload(t, m, component).Spec.Template
				if !selects(texts(selector), template.Metadata.Labels) {
					continue
				}
				selected++
				for _, p := range o.Spec.Ports {
					if _, ok := template.Spec.Containers[0].port(p.TargetPort); !ok {
						t.Errorf("%s %s sends to port %s, which the %s does not have", o.Kind, o.Metadata.Name, p.TargetPort, component)
					}
				}
			}
			if selected != 1 {
				t.Errorf("%s %s selects the pods of %d components, want 1", o.Kind, o.Metadata.Name, selected)
			}
		}
		for _, monitor := range m.of("ServiceMonitor") {
			for _, endpoint := range monitor.Spec.Endpoints {
				for _, component := range components {
					admin, ok := m.find("Service", release+"-"+component+"-admin")
					if !ok || admin.Spec.Ports[0].Name != endpoint.Port {
						t.Errorf("the ServiceMonitor scrapes port %s, but the Service of the %s is %+v", endpoint.Port, component, admin)
					}
				}
			}
		}
	})
}

// texts returns the labels of a selector.
func texts(selector map[string]any) map[string]string {
	labels := map[string]string{}
	for name, value := range selector {
		labels[name], _ = value.(string)
	}
	return labels
}

// The URL of the gateway's service leads to the port of a Service that exists, under a name that certificates have.
func TestTheGatewayNamesTheServiceOfTheKVService(t *testing.T) {
	eachManifest(t, func(t *testing.T, m manifest) {
		scheme, address, _ := strings.Cut(workload(t, m, "gateway").Spec.Template.Spec.Containers[0].flag("service"), "://")
		host, port, _ := strings.Cut(address, ":")
		service, ok := m.find("Service", host)
		if !ok || len(service.Spec.Ports) != 1 || strconv.Itoa(service.Spec.Ports[0].Port) != port {
			t.Errorf("--service leads to %s, but the Service is %+v", address, service)
		}
		certificate, ok := m.find("Certificate", host)
		if encrypted := scheme == "https"; encrypted != ok || encrypted && !slices.Contains(certificate.Spec.DNSNames, host) {
			t.Errorf("--service has the scheme %s and the host %s, but the certificate is %+v", scheme, host, certificate)
		}
	})
}

// Gateways can be moved between nodes and restarted without an outage.
func TestGatewaysAreSpreadAndKept(t *testing.T) {
	eachManifest(t, func(t *testing.T, m manifest) {
		o := workload(t, m, "gateway")
		if len(o.Spec.Template.Spec.Spread) != 2 {
			t.Errorf("gateways are spread over %v, want nodes and zones", o.Spec.Template.Spec.Spread)
		}
		if _, ok := m.find("PodDisruptionBudget", o.Metadata.Name); !ok {
			t.Error("gateways have no PodDisruptionBudget")
		}
		if scaled := len(m.of("HorizontalPodAutoscaler")) == 1; scaled == (o.Spec.Replicas != nil) {
			t.Errorf("autoscaling: %v, replicas: %v, want one of them", scaled, o.Spec.Replicas)
		}
	})
}

// A store in memory never runs twice, and with a volume it is a StatefulSet.
func TestAStoreInMemoryRunsOnce(t *testing.T) {
	eachManifest(t, func(t *testing.T, m manifest) {
		o := workload(t, m, "kvservice")
		c := o.Spec.Template.Spec.Containers[0]
		durable, memory := c.flag("data-dir") != "", c.flag("store") == "memory"
		if durable != (o.Kind == "StatefulSet") || durable != (len(o.Spec.VolumeClaimTemplates) == 1) {
			t.Errorf("--data-dir=%s in a %s with %d volume claims", c.flag("data-dir"), o.Kind, len(o.Spec.VolumeClaimTemplates))
		}
		if o.Spec.Replicas == nil || memory != (*o.Spec.Replicas == 1) {
			t.Errorf("--store=%s with %v replicas", c.flag("store"), o.Spec.Replicas)
		}
		if memory && !durable && o.Spec.Strategy.Type != "Recreate" {
			t.Errorf("the strategy is %q, so two pods run during an update", o.Spec.Strategy.Type)
		}
	})
}

// The values files cover every template and both kinds of workload.
func TestTheManifestsHaveEveryKind(t *testing.T) {
	kinds := map[string]bool{}
	eachManifest(t, func(_ *testing.T, m manifest) {
		for _, o := range m {
			kinds[o.Kind] = true
		}
	})
	want := []string{
		"Certificate", "Deployment", "HorizontalPodAutoscaler", "Issuer", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceMonitor",
		"StatefulSet",
	}
	if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, want) {
		t.Errorf("the manifests have the kinds %v, want %v", got, want)
	}
}
