package e2e_test

import (
	"strings"
	"testing"
)

func TestReflection(t *testing.T) {
	const name = "keyvalue.v1.KeyValueService"
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			d := d.start(t)
			grpcurl := "grpcurl -plaintext -H 'x-api-key: my-secret-key' "
			address := d.gateway.Addr + " "
			expect(t, grpcurl+address+"list", name, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection")
			expect(t, grpcurl+address+"list "+name, name+".Get", name+".Watch")
			expect(t, grpcurl+address+"describe "+name, "rpc Set ( .keyvalue.v1.SetRequest )", "NO_SIDE_EFFECTS")
			expect(t, grpcurl+address+"describe keyvalue.v1.SetRequest", "google.protobuf.Duration ttl = 4;")
			expect(t, grpcurl+`-d '{"key": "grpcurl", "value": "1"}' `+address+name+"/Set", `"created": true`)
			expect(t, grpcurl+`-d '{"key": "grpcurl"}' `+address+name+"/Get", `"value": "1"`)
			expectFailure(t, grpcurl+`-d '{"key": "nothing"}' `+address+name+"/Get", "NotFound", "KEY_NOT_FOUND")
			expectFailure(t, "grpcurl -plaintext "+address+"list", "API key")
			expect(t, "grpcurl -plaintext -reflect-header 'x-api-key: my-secret-key' "+address+"grpc.health.v1.Health/Check", "SERVING")

			for _, protocol := range []string{"grpc", "grpcweb", "connect"} {
				curl := "buf curl --http2-prior-knowledge --protocol " + protocol + " -H 'x-api-key: my-secret-key' --reflect-header '*' "
				call := d.url + "/" + name
				expect(t, curl+"--list-services "+d.url, name)
				expect(t, curl+"--list-methods "+d.url, name+"/Get", name+"/Watch")
				expect(t, curl+`-d '{"key": "`+protocol+`", "value": "1"}' `+call+"/Set", `"created":true`)
				expect(t, curl+`-d '{"key": "`+protocol+`"}' `+call+"/Get", `"value":"1"`)
				expectFailure(t, curl+`-d '{"key": "nothing"}' `+call+"/Get", "not_found", "there is no key")
				expectFailure(t, strings.ReplaceAll(curl, "my-secret-key", "wrong")+"--list-services "+d.url, "not authenticated")
			}
		})
	}
}

// expect runs a bash command, which must succeed and print each of wants. Spaces after colons are ignored.
func expect(t *testing.T, line string, wants ...string) {
	t.Helper()
	got := shell(t, line)
	if got.Code != 0 {
		t.Errorf("%s\nexit code %d\n%s", line, got.Code, got.Err)
	}
	contains(t, line, got.Out, wants)
}

// expectFailure runs a bash command, which must fail and print each of wants.
func expectFailure(t *testing.T, line string, wants ...string) {
	t.Helper()
	got := shell(t, line)
	if got.Code == 0 {
		t.Errorf("%s\nsucceeded\n%s", line, got.Out)
	}
	contains(t, line, got.Out+got.Err, wants)
}

func contains(t *testing.T, line, text string, wants []string) {
	t.Helper()
	plain := strings.ReplaceAll(text, `": `, `":`)
	for _, want := range wants {
		if !strings.Contains(plain, strings.ReplaceAll(want, `": `, `":`)) {
			t.Errorf("%s\ndoes not print %s:\n%s", line, want, text)
		}
	}
}
