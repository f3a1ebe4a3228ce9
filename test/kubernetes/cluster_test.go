package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/tlstest"
)

// files are the contents of a Secret, by key.
type files map[string]string

// cluster runs the pods of a manifest as processes of this machine. What a cluster would provide is made as it would be:
// Secrets, certificates, volumes, addresses of Services, variables, and the user of the pod if the test is root.
type cluster struct {
	manifest manifest
	dir      string
	ports    map[string]int    // :: component and port of its container → port here
	services map[string]string // :: host:port of a Service → address here
	secrets  map[string]files  // by name
	proxy    string            // URL of a proxy that knows services, for TLS to their names
	issuer   *tlstest.Authority
}

func newCluster(t *testing.T, m manifest, secrets map[string]files, services map[string]string) *cluster {
	t.Helper()
	c := &cluster{manifest: m, dir: openDir(t), ports: map[string]int{}, services: services, secrets: secrets, issuer: tlstest.NewAuthority(t)}
	for _, component := range components {
		template := workload(t, m, component).Spec.Template
		for _, p := range template.Spec.Containers[0].Ports {
			c.ports[portOf(component, p.Port)] = proc.FreePort()
		}
		for _, service := range m.of("Service") {
			if !selects(texts(service.Spec.Selector), template.Metadata.Labels) {
				continue
			}
			for _, p := range service.Spec.Ports {
				target, _ := template.Spec.Containers[0].port(p.TargetPort)
				services[fmt.Sprintf("%s:%d", service.Metadata.Name, p.Port)] = c.address(component, target)
			}
		}
	}
	for _, certificate := range m.of("Certificate") {
		c.secrets[certificate.Spec.SecretName] = c.issue(t, certificate)
	}
	proxy := httptest.NewServer(http.HandlerFunc(c.connect))
	t.Cleanup(proxy.Close)
	c.proxy = proxy.URL
	return c
}

func portOf(component string, port int) string { return fmt.Sprint(component, " ", port) }

// address returns where a port of a component is here.
func (c *cluster) address(component string, port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports[portOf(component, port)]))
}

// issue returns the Secret that cert-manager makes for a Certificate.
func (c *cluster) issue(t *testing.T, certificate object) files {
	t.Helper()
	usages := map[string]x509.ExtKeyUsage{"server auth": x509.ExtKeyUsageServerAuth, "client auth": x509.ExtKeyUsageClientAuth}
	leaf := tlstest.Leaf{Name: certificate.Metadata.Name, Hosts: certificate.Spec.DNSNames}
	for _, usage := range certificate.Spec.Usages {
		leaf.Usages = append(leaf.Usages, usages[usage])
	}
	return secretOf(t, c.issuer, leaf)
}

// secretOf returns a Secret with a certificate.
func secretOf(t *testing.T, issuer *tlstest.Authority, leaf tlstest.Leaf) files {
	t.Helper()
	certificate := issuer.Issue(t, leaf)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return files{"tls.crt": inPEM("CERTIFICATE", certificate.Certificate[0]), "tls.key": inPEM("PRIVATE KEY", key), "ca.crt": inPEM("CERTIFICATE", issuer.Raw())}
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// connect connects a client of the proxy to a Service.
func (c *cluster) connect(w http.ResponseWriter, r *http.Request) {
	address, ok := c.services[r.Host]
	if !ok || r.Method != http.MethodConnect {
		http.Error(w, "no Service "+r.Host, http.StatusBadGateway)
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	done := make(chan struct{}, 2)
	forward := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // until either side has gone
		done <- struct{}{}
	}
	go forward(server, buffered)
	go forward(client, server)
	<-done
}

// running is a pod that runs.
type running struct {
	*proc.Process
	component string
	container container
	cluster   *cluster
	command   proc.Command
}

// start starts the pod of a component and waits until its startup and readiness probes succeed.
func (c *cluster) start(t *testing.T, component string) *running {
	t.Helper()
	p := workload(t, c.manifest, component).Spec.Template.Spec
	r := &running{component: component, container: p.Containers[0], cluster: c, command: c.command(t, component, p)}
	process, err := r.command.Start()
	if err != nil {
		t.Fatal(err)
	}
	r.Process = process
	t.Cleanup(func() {
		_ = process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", process, process.Out, process.Log)
		}
	})
	for _, probe := range []probe{r.container.Startup, r.container.Readiness} {
		if err := process.WaitReady(t.Context(), func(ctx context.Context) error { return r.probe(ctx, probe) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.probe(t.Context(), r.container.Liveness); err != nil {
		t.Error(err)
	}
	return r
}

// command returns the command of a pod, with the files, ports and addresses of this machine.
func (c *cluster) command(t *testing.T, component string, p pod) proc.Command {
	t.Helper()
	container := p.Containers[0]
	var replaced []string // pairs of what is in flags, and what it is here
	for _, mount := range container.Mounts {
		replaced = append(replaced, "="+mount.Path+"/", "="+c.mount(t, component, p, mount.Name)+"/")
	}
	for _, port := range container.Ports {
		for _, flag := range []string{"--listen=:", "--admin-listen=:"} {
			replaced = append(replaced, flag+strconv.Itoa(port.Port), flag+strconv.Itoa(c.ports[portOf(component, port.Port)]))
		}
	}
	for name, address := range c.services {
		replaced = append(replaced, "="+"http://"+name, "="+"http://"+address)
		for _, scheme := range []string{"redis", "etcds"} {
			replaced = append(replaced, "="+scheme+"://"+name, "="+scheme+"://"+address)
		}
	}
	command := proc.Command{Path: kv, Env: append(c.environment(t, container), "HTTPS_PROXY="+c.proxy)}
	for _, arg := range container.Args {
		command.Args = append(command.Args, strings.NewReplacer(replaced...).Replace(arg))
	}
	return c.confined(t, command, component, p)
}

// confined returns the command as the user and groups of the pod, without privileges, with a root file system that can only be
// read. Only root can do that, and not everywhere.
func (c *cluster) confined(t *testing.T, command proc.Command, component string, p pod) proc.Command {
	t.Helper()
	if !canConfine() {
		t.Log("NOT CHECKED with the user of the pod and a read-only file system: that needs root, setpriv and unshare")
		return command
	}
	writable := openDir(t) // in a pod without a claim: nothing, and it belongs to root
	for _, mount := range p.Containers[0].Mounts {
		if !mount.ReadOnly {
			writable = c.mount(t, component, p, mount.Name)
		}
	}
	command.Args = append([]string{
		"--mount", "--", "sh", "-c", `mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"`, "sh", writable,
		"setpriv", "--reuid", strconv.Itoa(p.Security.User), "--regid", strconv.Itoa(p.Security.Group), "--groups", strconv.Itoa(p.Security.FSGroup),
		"--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--pdeathsig", "KILL", "--", command.Path,
	}, command.Args...)
	command.Path = "unshare"
	return command
}

// canConfine reports whether this process may change users and mounts.
var canConfine = sync.OnceValue(func() bool {
	line := exec.Command("unshare", "--mount", "--", "sh", "-c", "mount -o remount,bind,ro / && setpriv --reuid 65532 true")
	return os.Geteuid() == 0 && line.Run() == nil
})

// environment returns the variables of a container.
func (c *cluster) environment(t *testing.T, container container) (env []string) {
	t.Helper()
	for _, e := range container.Env {
		value := e.Value
		if ref := e.From.Secret; ref != nil {
			secret, ok := c.secrets[ref.Name][ref.Key]
			if !ok && ref.Optional {
				continue
			}
			if !ok {
				t.Fatalf("%s is to come from %s of the Secret %s, which does not exist", e.Name, ref.Key, ref.Name)
			}
			value = secret
		}
		if ref := e.From.Resource; ref != nil {
			value = strconv.Itoa(inBytes(t, container.Resources.Limits[strings.TrimPrefix(ref.Resource, "limits.")]))
		}
		env = append(env, e.Name+"="+value)
	}
	return env
}

// inBytes returns a quantity of Kubernetes in bytes.
func inBytes(t *testing.T, quantity string) int {
	t.Helper()
	for suffix, unit := range map[string]int{"Mi": 1 << 20, "Gi": 1 << 30} {
		if n, err := strconv.Atoi(strings.TrimSuffix(quantity, suffix)); err == nil {
			return n * unit
		}
	}
	t.Fatalf("unknown quantity %q", quantity)
	return 0
}

// mount returns the directory that is a volume of a pod here. It stays when the pod ends.
func (c *cluster) mount(t *testing.T, component string, p pod, name string) string {
	t.Helper()
	dir := filepath.Join(c.dir, component, name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, volume := range p.Volumes {
		if volume.Name == name {
			c.project(t, dir, volume.Secret.Name, p)
			return dir
		}
	}
	// A claim: a file system of its own, which the kubelet gives to the group of the pod.
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "lost+found"), 0o700), give(dir, p), os.Chmod(dir, 0o770|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// give gives a file to root and the group of a pod, as the kubelet does, if the test is root.
func give(path string, p pod) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, 0, p.Security.FSGroup)
}

// project writes a Secret into a directory as the kubelet does: into a directory of its own, to which a link leads that is
// replaced when the Secret changes.
func (c *cluster) project(t *testing.T, dir, secret string, p pod) {
	t.Helper()
	if len(c.secrets[secret]) == 0 {
		t.Fatalf("no Secret %s", secret)
	}
	version, err := os.MkdirTemp(dir, "..version_")
	if err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o440)
	if os.Geteuid() != 0 {
		mode = 0o400 // without root, files belong to the process
	}
	for key, text := range c.secrets[secret] {
		file, link := filepath.Join(version, key), filepath.Join(dir, key)
		err := errors.Join(os.WriteFile(file, []byte(text), mode), give(file, p))
		if _, missing := os.Lstat(link); missing != nil {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", key), link))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	err = errors.Join(os.Chmod(version, 0o755), os.Symlink(filepath.Base(version), next), os.Rename(next, filepath.Join(dir, "..data")))
	if err != nil {
		t.Fatal(err)
	}
}

// renew replaces the Secrets that a component mounts by others of the same certificates.
func (c *cluster) renew(t *testing.T, component string) {
	t.Helper()
	p := workload(t, c.manifest, component).Spec.Template.Spec
	for _, certificate := range c.manifest.of("Certificate") {
		for _, volume := range p.Volumes {
			if volume.Secret.Name == certificate.Spec.SecretName {
				c.secrets[volume.Secret.Name] = c.issue(t, certificate)
				c.project(t, c.mount(t, component, p, volume.Name), volume.Secret.Name, p)
			}
		}
	}
}

// probe does what the kubelet does for a probe.
func (r *running) probe(ctx context.Context, p probe) error {
	switch {
	case p.HTTP != nil && p.HTTP.Scheme == "":
		port, ok := r.container.port(p.HTTP.Port)
		if !ok {
			return fmt.Errorf("the container has no port %s", p.HTTP.Port)
		}
		status, err := get(ctx, "http://"+r.cluster.address(r.component, port)+p.HTTP.Path)
		if err == nil && (status < 200 || status > 399) {
			err = fmt.Errorf("GET %s = %d", p.HTTP.Path, status)
		}
		return err
	case p.GRPC != nil:
		return checkHealth(ctx, r.cluster.address(r.component, p.GRPC.Port))
	}
	return fmt.Errorf("unknown kind of probe: %+v", p)
}

// get returns the status of a GET.
func get(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// checkHealth fails unless the gRPC server at an address says that it is serving.
func checkHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil && answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		err = fmt.Errorf("the health check says %v", answer.GetStatus())
	}
	return err
}

// stop ends the pod as the kubelet does, and waits until it has ended by itself.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if err := r.Process.Stop(patience); err != nil {
		t.Fatal(err)
	}
}

// examine runs kv doctor with the command of the pod and its grace period, and reports the errors that it finds in settings. What
// it finds in this machine does not matter.
func (r *running) examine(t *testing.T) {
	t.Helper()
	command := r.command
	args := slices.Clone(command.Args)
	i := slices.Index(args, r.component)
	grace := workload(t, r.cluster.manifest, r.component).Spec.Template.Spec.GracePeriod
	command.Args = append(slices.Insert(args, i, "doctor"), "-o", "json", fmt.Sprintf("--grace-period=%ds", grace))
	result, err := command.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(result.Out, `"id":"grace-period","severity":"ok"`) {
		t.Errorf("kv doctor %s = %+v, want that the grace period is ok", r.component, result)
	}
	for line := range strings.Lines(result.Out) {
		for _, id := range []string{"max-memory", "keys-file", "tls-certificate", "service-certificate"} {
			if strings.Contains(line, `"id":"`+id+`"`) && !strings.Contains(line, `"severity":"ok"`) {
				t.Errorf("kv doctor %s: %s", r.component, line)
			}
		}
	}
}

// openDir returns a directory of the test that every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// patience bounds everything that should take almost no time, on a busy machine. Pods take up to their drain and the delay
// before it to end, which is less.
const patience = 2 * time.Minute
