package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"key-value/client"
)

// topFlags are the flags of kv top.
type topFlags struct {
	output

	once     bool
	limit    int
	interval time.Duration
}

func newTop(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &topFlags{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show which keys are hot, prefixes big and calls slow",
		Long: `Show which keys are read and written most, which prefixes take most memory, and
which calls were slowest, on a screen that is refreshed until you press q.

With --once, they are printed once. Lists then have --limit rows, and keys and
request ids are whole if standard output is not a terminal.

Rates are estimates over the last minute, and slow calls are those of the last
five to ten minutes. All of it is about the kvservice that answers: of several
over one Redis or etcd, each knows the calls that it served itself. The API key
must have all rights. NO_COLOR=1 turns off highlighting.`,
		Example: `  kv top
  kv top --interval 500ms
  kv top --once
  kv top --once -o json | jq .reads.perSecond`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.top(cmd, f) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&f.once, "once", false, "print once and exit")
	cmd.Flags().IntVar(&f.limit, "limit", 10, "rows of each list with --once, 1 to 100")
	f.interval = 2 * time.Second
	cmd.Flags().Var(bounded{(*duration)(&f.interval), 100 * time.Millisecond, time.Hour, "100ms to 1h"}, "interval", "time between refreshes")
	f.output.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (c *connection) top(cmd *cobra.Command, f *topFlags) error {
	screen, err := f.check(cmd, c.getenv)
	if err != nil {
		return err
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	fetch := func(ctx context.Context, limit int) (client.KeyStats, error) {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		stats, err := kv.KeyStats(ctx, limit)
		if err == nil && !stats.Enabled {
			err = errors.New("the store does not gather these statistics: start it with --key-stats=true (KV_KEY_STATS)")
		}
		return stats, err
	}
	if !f.once {
		stats, err := fetch(cmd.Context(), maxTopRows)
		if err != nil {
			return err
		}
		live := &topScreen{file: screen, url: c.url, plain: c.getenv("NO_COLOR") != "", interval: f.interval, fetch: fetch}
		return live.run(cmd.Context(), cmd.InOrStdin(), stats)
	}
	stats, err := fetch(cmd.Context(), f.limit)
	if err != nil {
		return err
	}
	if f.format == outputJSON {
		return printJSON(cmd.OutOrStdout(), newKeyStatsJSON(stats))
	}
	return printTop(cmd.OutOrStdout(), stats, f.limit)
}

// maxTopRows is the maximum number of rows of each list that the store returns.
const maxTopRows = 100

// check checks the flags, and returns the terminal to show the screen on, if there is to be one.
func (f *topFlags) check(cmd *cobra.Command, getenv func(string) string) (*os.File, error) {
	if f.limit < 1 || f.limit > maxTopRows {
		return nil, usageError{fmt.Errorf("invalid --limit %d: want 1 to %d", f.limit, maxTopRows)}
	}
	if f.once {
		return nil, exclusive(cmd, "once", "interval")
	}
	for _, name := range []string{"limit", "output"} {
		if cmd.Flags().Changed(name) {
			return nil, usageError{fmt.Errorf("--%s needs --once: a live screen has as many rows as fit", name)}
		}
	}
	screen, ok := unescaped(cmd.OutOrStdout()).(*os.File)
	if !ok || !isTerminal(screen) {
		return nil, usageError{errors.New("standard output is not a terminal, on which to show a live screen: add --once")}
	}
	if getenv("TERM") == "dumb" {
		return nil, usageError{errors.New("the terminal cannot show a live screen (TERM is dumb): add --once")}
	}
	return screen, nil
}

// printTop prints all lists one after the other. A terminal gets lines that fit.
func printTop(out io.Writer, stats client.KeyStats, limit int) error {
	width := 0
	if file, ok := unescaped(out).(*os.File); ok && isTerminal(file) {
		width, _, _ = term.GetSize(int(file.Fd()))
	}
	for i, s := range topSections(stats) {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return err
			}
		}
		for _, line := range s.lines(width, limit+1) {
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
	}
	return nil
}
