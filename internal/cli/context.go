package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"key-value/internal/atomicfile"
)

// contextFile is the file of the user's contexts: stores, and how to reach each.
type contextFile struct {
	Current  string                  `json:"current,omitzero"` // the one in use; "" for none
	Contexts map[string]savedContext `json:"contexts"`         // :: name → context
}

// savedContext has the settings of a connection. Its API key is sent to its URL only.
type savedContext struct {
	URL        string `json:"url"`
	APIKey     string `json:"apiKey,omitzero"`
	CA         string `json:"ca,omitzero"`
	ClientCert string `json:"clientCert,omitzero"`
	ClientKey  string `json:"clientKey,omitzero"`
}

// contextPath returns the path of the file.
func contextPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the directory of contexts: %w", err)
	}
	return filepath.Join(dir, "kv", "contexts.json"), nil
}

// readContexts reads the file. Without one there are no contexts.
func readContexts() (contextFile, error) {
	f := contextFile{Contexts: map[string]savedContext{}}
	path, err := contextPath()
	if err != nil {
		return f, nil // nor can there be a file
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("%s is not a file of contexts: %w", path, err)
	}
	return f, nil
}

// find returns the context with this name.
func (f contextFile) find(name string) (savedContext, error) {
	saved, ok := f.Contexts[name]
	if !ok {
		return saved, usageError{fmt.Errorf("no context %q: run kv context ls for a list", name)}
	}
	return saved, nil
}

// editContexts changes the file, which only the user may read: it has API keys.
func editContexts(change func(*contextFile) error) error {
	path, err := contextPath()
	if err != nil {
		return err
	}
	f, err := readContexts()
	if err != nil {
		return err
	}
	if err := change(&f); err != nil {
		return err
	}
	text, err := json.Marshal(f, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) { // the new file gets the mode of the old one
		return err
	}
	return atomicfile.Replace(path, append(text, '\n'), 0o600)
}

func newContext(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Save, choose, list and remove stores to connect to",
		Long: `Save, choose, list and remove contexts: stores, with the URL, API key and
certificates of each. Client commands connect to the context in use, or to
another with --context or KV_CONTEXT.

Flags and variables take precedence over the context in use. With --url or
KV_URL it is not used at all, so that its API key goes to its own URL only.

Contexts are saved in the user's configuration directory, in kv/contexts.json,
which only the user can read.`,
		Example: `  KV_API_KEY=my-secret-key kv context add staging --url https://kv.example.com
  kv context use staging`,
		RunE: helpOrUnknown,
	}
	cmd.AddCommand(newContextAdd(getenv), newContextUse(), newContextLs(), newContextRm())
	return cmd
}

var contextName = regexp.MustCompile(`^[\w.][\w.-]*$`)

func newContextAdd(getenv func(string) string) *cobra.Command {
	c, t := savedContext{}, &trust{}
	cmd := &cobra.Command{
		Use:   "add NAME --url URL",
		Short: "Save a context, or replace it",
		Long: `Save a context with the API key in KV_API_KEY, if that is set, or replace the
one with this name. The first context is used at once.`,
		Example: "  KV_API_KEY=my-secret-key kv context add local --url localhost:8888",
		Args:    contextArgs(1),
	}
	cmd.Flags().StringVar(&c.URL, "url", "", "URL of the store; host:port is one at http://")
	t.flags(cmd, "", "client-")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		u, err := serviceURL(c.URL)
		if err != nil {
			return err
		}
		if u.User != nil {
			return usageError{errors.New(
				"a context keeps no user name or password: remove them from --url, or pass the whole URL with KV_URL instead of a context")}
		}
		if !contextName.MatchString(args[0]) {
			return usageError{fmt.Errorf("invalid NAME %q: want letters, digits, dots, dashes and underscores", args[0])}
		}
		if _, err := t.open(u); err != nil {
			return err
		}
		c.URL, c.APIKey = u.String(), getenv("KV_API_KEY")
		for to, file := range map[*string]string{&c.CA: t.ca, &c.ClientCert: t.pair.cert, &c.ClientKey: t.pair.key} {
			if file == "" {
				continue
			}
			if *to, err = filepath.Abs(file); err != nil { // it is used from other directories
				return err
			}
		}
		return editContexts(func(f *contextFile) error {
			if len(f.Contexts) == 0 {
				f.Current = args[0]
			}
			f.Contexts[args[0]] = c
			return nil
		})
	}
	return cmd
}

func newContextUse() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Choose the context that client commands connect to", Example: "  kv context use staging",
		Args: contextArgs(1), ValidArgsFunction: completeContext,
		RunE: func(_ *cobra.Command, args []string) error {
			return editContexts(func(f *contextFile) error {
				_, err := f.find(args[0])
				f.Current = args[0]
				return err
			})
		},
	}
}

func newContextLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List contexts; * marks the one in use", Example: "  kv context ls", Args: contextArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readContexts()
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(f.Contexts)) {
				mark := " "
				if name == f.Current {
					mark = "*"
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %-20s  %s\n", mark, name, f.Contexts[name].URL); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newContextRm() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "Remove a context with its API key", Example: "  kv context rm staging",
		Args: contextArgs(1), ValidArgsFunction: completeContext,
		RunE: func(_ *cobra.Command, args []string) error {
			return editContexts(func(f *contextFile) error {
				_, err := f.find(args[0])
				delete(f.Contexts, args[0])
				if f.Current == args[0] {
					f.Current = ""
				}
				return err
			})
		},
	}
}

func contextArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return asUsage(cobra.ExactArgs(n)(cmd, args)) }
}

func completeContext(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	f, _ := readContexts() // an error completes nothing
	return slices.Sorted(maps.Keys(f.Contexts)), cobra.ShellCompDirectiveNoFileComp
}
