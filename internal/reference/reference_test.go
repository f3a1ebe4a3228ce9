package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
)

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryRouteIsThere(t *testing.T) {
	page := readPage(t, "rest.md")
	for _, route := range rest.Routes() {
		want := regexp.MustCompile("(?m)^`" + regexp.QuoteMeta(route.Method+" "+route.Path) + "`$")
		if route.Method == "HEAD" { // stands with GET, in the list of routes
			want = regexp.MustCompile(regexp.QuoteMeta("| `GET, HEAD " + route.Path + "` |"))
		}
		if !want.MatchString(page) {
			t.Errorf("rest.md does not have %s %s", route.Method, route.Path)
		}
	}
}

func TestEveryReasonIsThere(t *testing.T) {
	source, err := os.ReadFile("../contract/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`Reason = "([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 20 {
		t.Fatalf("found %d reasons", len(reasons))
	}
	page := readPage(t, "rest.md")
	for _, reason := range reasons {
		if !strings.Contains(page, "| `"+reason[1]+"` |") {
			t.Errorf("rest.md does not have %s", reason[1])
		}
	}
}

func TestEveryMethodMessageAndFieldIsThereWithItsComment(t *testing.T) {
	page := readPage(t, "rpc.md")
	has := func(pattern string) {
		t.Helper()
		if !regexp.MustCompile("(?m)^" + pattern).MatchString(page) {
			t.Errorf("rpc.md does not have %s", pattern)
		}
	}
	for method := range all(keyvaluev1.File_keyvalue_v1_service_proto.Services().Get(0).Methods()) {
		has(`## ` + string(method.Name()) + `\n\n\[.*\n\n[A-Z]`)
	}
	for _, file := range []protoreflect.FileDescriptor{
		keyvaluev1.File_keyvalue_v1_entry_proto, keyvaluev1.File_keyvalue_v1_list_proto,
		keyvaluev1.File_keyvalue_v1_operation_proto, keyvaluev1.File_keyvalue_v1_stats_proto,
		keyvaluev1.File_keyvalue_v1_watch_proto,
	} {
		for message := range all(file.Messages()) {
			has(`### ` + string(message.Name()) + `\n\n[A-Z]`)
			for field := range all(message.Fields()) {
				has("\\| `" + field.JSONName() + "` \\| .+ \\| [A-Z]")
			}
		}
	}
}

func TestEveryVariableIsThere(t *testing.T) {
	page := readPage(t, "settings.md")
	for _, command := range []string{"serve", "kvservice", "gateway", "get"} {
		help, err := output("go", "run", "../../cmd/kv", "help", command)
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(page, "\n## kv "+command+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		variables := variable.FindAllStringSubmatch(string(help), -1)
		if len(variables) < 2 {
			t.Fatalf("found %d variables in the help of %s", len(variables), command)
		}
		for _, name := range variables {
			if !strings.Contains(section, "| `"+name[1]+"` |") {
				t.Errorf("settings.md does not have %s at kv %s", name[1], command)
			}
		}
	}
}
