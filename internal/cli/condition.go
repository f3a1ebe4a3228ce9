package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"key-value/client"
)

// conditionFlags guard a write.
type conditionFlags struct {
	ifMatch    string
	ifExists   bool
	createOnly bool
}

func (f *conditionFlags) matchFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ifMatch, "if-match", "", "only if the entry has this `ETAG`")
}

func (f *conditionFlags) existsFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.ifExists, "if-exists", false, "only if the key exists")
}

func (f *conditionFlags) createFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "only if the key does not exist")
}

// conditions returns what the flags say: one condition at most.
func (f *conditionFlags) conditions(cmd *cobra.Command) ([]client.Condition, error) {
	if err := exclusive(cmd, "if-match", "if-exists", "create-only"); err != nil {
		return nil, err
	}
	switch {
	case cmd.Flags().Changed("if-match"): // in quotes, too, as an HTTP header has it
		return []client.Condition{client.IfMatch(strings.Trim(f.ifMatch, `"`))}, nil
	case f.ifExists:
		return []client.Condition{client.IfExists()}, nil
	case f.createOnly:
		return []client.Condition{client.IfAbsent()}, nil
	}
	return nil, nil
}

// exclusive refuses two of these flags at a time.
func exclusive(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usageError{fmt.Errorf("%s exclude each other: use one of them", strings.Join(given, " and "))}
	}
	return nil
}
