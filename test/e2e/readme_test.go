package e2e_test

import (
	"net"
	"testing"
)

// The README's commands that do not return. TestReadme runs the others against each way to start the store.
const (
	serveLine   = "KV_API_KEY=my-secret-key go run ./cmd/kv serve"
	serviceLine = "KV_SERVICE_TOKEN=a-service-token kv kvservice"
	gatewayLine = "KV_SERVICE_TOKEN=a-service-token KV_API_KEY=my-secret-key kv gateway --service http://127.0.0.1:50051"
	composeLine = "docker compose up --build"
	clusterLine = "KV_API_KEY=my-secret-key go run ./deploy/cluster"

	etcdLine = "KV_API_KEY=my-secret-key go run ./deploy/cluster --store etcd"

	composeClusterLine = "docker compose -f compose.cluster.yaml up --build"
	composeEtcdLine    = "docker compose -f compose.etcd.yaml up --build"
)

// servingLines are all of them.
var servingLines = []string{serveLine, serviceLine, gatewayLine, composeLine, clusterLine, etcdLine, composeClusterLine, composeEtcdLine}

// testLine is run by .ci/run, with the race detector.
const testLine = "go test ./..."

// TestReadme runs the README's commands verbatim and compares their output with the documented output.
func TestReadme(t *testing.T) {
	doc := readDocument(t, "README.md")
	for _, special := range append(servingLines, testLine) {
		if !doc.has(special) {
			t.Errorf("the README does not have the command %q", special)
		}
	}
	t.Run("serve", func(t *testing.T) {
		portsAreFree(t, "8888")
		startCommand(t, nil, "bash", "-c", serveLine)
		doc.runBeside(t)
	})
	t.Run("kvservice and gateway", func(t *testing.T) {
		portsAreFree(t, "8888", "50051")
		if err := command("go", "install", "./cmd/kv"); err != nil { // the README's command before these
			t.Fatal(err)
		}
		startCommand(t, nil, "bash", "-c", serviceLine)
		startCommand(t, nil, "bash", "-c", gatewayLine)
		doc.runBeside(t)
	})
	t.Run("compose", func(t *testing.T) {
		compose := needsDocker(t, composeLine)
		portsAreFree(t, "8888")
		composition := compose.up(t)
		doc.runBeside(t)
		composition.isHardened(t, map[string]int{"kvservice": 0, "gateway": 1})
	})
	t.Run("cluster", func(t *testing.T) {
		portsAreFree(t, "8888")
		startCluster(t, "bash", "-c", clusterLine)
		doc.runBeside(t)
	})
	t.Run("cluster of etcd", func(t *testing.T) {
		portsAreFree(t, "8888")
		startCluster(t, "bash", "-c", etcdLine)
		doc.runBeside(t)
	})
	t.Run("compose cluster", func(t *testing.T) {
		compose := needsDocker(t, composeClusterLine)
		compose.needsImages(t, "valkey/valkey:8.1", "haproxy:3.0")
		portsAreFree(t, "8888")
		composition := compose.up(t)
		doc.runBeside(t)
		composition.survives(t, "valkey-1")
		composition.isHardened(t, map[string]int{"kvservice-1": 0, "kvservice-2": 0, "gateway-1": 0, "gateway-2": 0})
	})
	t.Run("compose cluster of etcd", func(t *testing.T) {
		compose := needsDocker(t, composeEtcdLine)
		compose.needsImages(t, "gcr.io/etcd-development/etcd:v3.7.3", "haproxy:3.0")
		portsAreFree(t, "8888")
		composition := compose.up(t)
		doc.runBeside(t)
		composition.survives(t, "etcd-1")
		composition.isHardened(t, map[string]int{"kvservice-1": 0, "kvservice-2": 0, "gateway-1": 0, "gateway-2": 0})
	})
}

func TestTheReadmeHasTheRequiredCommands(t *testing.T) {
	doc := readDocument(t, "README.md")
	for _, line := range []string{
		`KV_API_KEY=my-secret-key go run ./cmd/kv serve`,
		`go test ./...`,
		`curl http://localhost:8888/health`,
		`curl -X PUT http://localhost:8888/v1/values -H "Content-Type: application/json" -H "x-api-key: my-secret-key" -d '{"key": "hello", "value": "world"}'`,
		`curl -X GET http://localhost:8888/v1/values/hello -H "x-api-key: my-secret-key"`,
		`curl -X DELETE http://localhost:8888/v1/values/hello -H "x-api-key: my-secret-key"`,
	} {
		if !doc.has(line) {
			t.Errorf("the README does not have the command %s", line)
		}
	}
}

// runBeside runs all commands of the README that return.
func (d document) runBeside(t *testing.T) {
	t.Helper()
	d.run(t, append(servingLines, testLine)...)
}

// portsAreFree fails the test if another program uses a port of the documents' servers.
func portsAreFree(t *testing.T, ports ...string) {
	t.Helper()
	for _, port := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the documents' commands need port %s: %v; stop the program that uses it", port, err)
		}
		listener.Close()
	}
}
