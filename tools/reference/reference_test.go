package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/reflect/protoreflect"

	"key-value/gateway/rest"
	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/cli"
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
		if route.Method == "HEAD" { // listed together with GET
			want = regexp.MustCompile(regexp.QuoteMeta("| `GET, HEAD " + route.Path + "` |"))
		}
		if !want.MatchString(page) {
			t.Errorf("rest.md does not have %s %s", route.Method, route.Path)
		}
	}
}

func TestEveryReasonIsThere(t *testing.T) {
	source, err := os.ReadFile("../../internal/contract/reason.go")
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

func TestEveryFlagIsThereWithItsVariable(t *testing.T) {
	page := readPage(t, "settings.md")
	for _, cmd := range withSubcommands(cli.Command("test")) {
		_, section, found := strings.Cut(page, "\n## "+cmd.CommandPath()+"\n")
		if !found {
			t.Errorf("settings.md does not have %s", cmd.CommandPath())
		}
		section, _, _ = strings.Cut(section, "\n## ")
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			row := regexp.MustCompile("(?m)^\\|.* `--" + f.Name + "[ `].*$").FindString(section)
			if !strings.Contains(row, "| `"+cli.Variable(f)+"` |") && cli.Variable(f) != "" || row == "" {
				t.Errorf("settings.md does not have --%s with %s at %s: %s", f.Name, cli.Variable(f), cmd.CommandPath(), row)
			}
		})
	}
}

// A command that serves or calls the store reads settings from the environment.
func TestCommandsHaveVariables(t *testing.T) {
	root := cli.Command("test")
	for _, name := range []string{"serve", "kvservice", "gateway", "get"} {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		variables := 0
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if cli.Variable(f) != "" {
				variables++
			}
		})
		if variables < 2 {
			t.Errorf("kv %s has %d variables", name, variables)
		}
	}
}

// withSubcommands returns the commands below cmd.
func withSubcommands(cmd *cobra.Command) (all []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		all = append(append(all, sub), withSubcommands(sub)...)
	}
	return all
}
