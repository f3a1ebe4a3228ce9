package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

func newStats(getenv func(string) string) *cobra.Command {
	c, o := &connection{getenv: getenv}, &output{}
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show key count, memory, hit rate and guarantees",
		Long: `Show the store's key count and memory use, what it has done since it started
(hits, misses, expirations and evictions), and the guarantees of its engine.`,
		Example: `  kv stats
  kv stats -o json | jq .keys`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.stats(cmd, o) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	o.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (c *connection) stats(cmd *cobra.Command, o *output) error {
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	s, err := kv.Stats(ctx)
	if err != nil {
		return err
	}
	if o.format == outputJSON {
		return printJSON(cmd.OutOrStdout(), newStatsJSON(s))
	}
	return printStats(cmd.OutOrStdout(), s)
}

func printStats(out io.Writer, s client.Stats) error {
	limit := "no limit"
	if s.MaxMemoryBytes != 0 {
		limit = "of " + readableBytes(s.MaxMemoryBytes)
	}
	g := s.Guarantees
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"keys", readable(s.Keys)},
		{"memory", readableBytes(s.MemoryBytes) + ", " + limit},
		{"hits", readable(s.Hits)},
		{"misses", readable(s.Misses)},
		{"expirations", readable(s.Expirations)},
		{"evictions", readable(s.Evictions)},
		{"watchers", readable(s.Watchers)},
		{"started", s.StartTime.Local().Format(time.RFC3339)},
		{"uptime", s.Uptime.Round(time.Second).String()},
		{"engine", g.Engine},
		{"linearizable", yesOrNo(g.Linearizable)},
		{"linearizable across failover", yesOrNo(g.LinearizableAcrossFailover)},
		{"atomic across all keys", yesOrNo(g.AtomicAcrossKeys)},
		{"survives a restart", yesOrNo(g.Durable)},
		{"after a crash", g.Durability},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	return w.Flush()
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// statsJSON has the members of the REST answer. Counts are numbers, which jq and JavaScript read exactly up to 2^53.
type statsJSON struct {
	Keys           int64          `json:"keys"`
	MemoryBytes    int64          `json:"memoryBytes"`
	MaxMemoryBytes int64          `json:"maxMemoryBytes"`
	Hits           int64          `json:"hits"`
	Misses         int64          `json:"misses"`
	Expirations    int64          `json:"expirations"`
	Evictions      int64          `json:"evictions"`
	Watchers       int64          `json:"watchers"`
	StartTime      time.Time      `json:"startTime"`
	Uptime         string         `json:"uptime"` // in Go's syntax, as over REST
	Run            string         `json:"run"`
	Guarantees     guaranteesJSON `json:"guarantees"`
}

type guaranteesJSON struct {
	Engine                     string `json:"engine"`
	Linearizable               bool   `json:"linearizable"`
	LinearizableAcrossFailover bool   `json:"linearizableAcrossFailover"`
	AtomicAcrossKeys           bool   `json:"atomicAcrossKeys"`
	Durable                    bool   `json:"durable"`
	Durability                 string `json:"durability"`
}

func newStatsJSON(s client.Stats) statsJSON {
	return statsJSON{
		s.Keys, s.MemoryBytes, s.MaxMemoryBytes, s.Hits, s.Misses, s.Expirations, s.Evictions, s.Watchers,
		s.StartTime, s.Uptime.Round(time.Millisecond).String(), s.Run, guaranteesJSON(s.Guarantees),
	}
}
