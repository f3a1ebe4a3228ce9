package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// benchFlags are the flags of kv bench.
type benchFlags struct {
	output

	clients    int
	duration   time.Duration
	readRatio  float64
	keys       int
	valueBytes int
}

func newBench(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput and latency of the store",
		Long: `Measure throughput and latency of the store. Each client gets or sets a random
key, waits for the answer and repeats. All of them share one Go client, which
batches their calls as it does for the goroutines of a program.

The keys have a new random prefix for each run and are deleted at the end; if
that fails, they expire. Other keys are not touched, but other clients of the
store will notice the load.`,
		Example: `  kv bench
  kv bench --clients 256 --duration 30s --read-ratio 0.5
  kv bench --keys 1000000 --value-bytes 1024 -o json`,
		Args:              cobra.ExactArgs(0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.bench(cmd, f) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	cmd.Flags().IntVar(&f.clients, "clients", 64, "number of concurrent clients, each with one call at a time")
	durationVar(cmd.Flags(), &f.duration, "duration", 10*time.Second, "duration of the measurement")
	cmd.Flags().Float64Var(&f.readRatio, "read-ratio", 0.9, "fraction of calls that are gets, from 0 to 1; the others are sets")
	cmd.Flags().IntVar(&f.keys, "keys", 10_000, "number of keys")
	cmd.Flags().IntVar(&f.valueBytes, "value-bytes", 64, "size of each value, in bytes")
	f.output.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (f *benchFlags) check() error {
	switch {
	case f.clients < 1:
		return usageError{fmt.Errorf("invalid --clients %d: want 1 or more", f.clients)}
	case f.duration <= 0:
		return usageError{fmt.Errorf("invalid --duration %v: want a duration over 0, such as 10s", f.duration)}
	case !(f.readRatio >= 0 && f.readRatio <= 1): // NaN too
		return usageError{fmt.Errorf("invalid --read-ratio %v: want 0 to 1", f.readRatio)}
	case f.keys < 1:
		return usageError{fmt.Errorf("invalid --keys %d: want 1 or more", f.keys)}
	case f.valueBytes < 0 || f.valueBytes > contract.DefaultValueBytes:
		return usageError{fmt.Errorf("invalid --value-bytes %d: want 0 to %d", f.valueBytes, contract.DefaultValueBytes)}
	}
	return nil
}

func (c *connection) bench(cmd *cobra.Command, f *benchFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	ctx, log := cmd.Context(), cmd.ErrOrStderr()
	b := newBencher(kv, f, c.timeout)
	report, err := b.run(ctx, log)
	// The keys are deleted even if the run was interrupted.
	err = errors.Join(err, b.clean(context.WithoutCancel(ctx)))
	if err != nil {
		return err
	}
	if f.format == outputJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = report.print(cmd.OutOrStdout())
	}
	return errors.Join(err, b.failed.err())
}

// run writes the keys and then measures. It logs both steps, because both take time.
func (b *bencher) run(ctx context.Context, log io.Writer) (benchReport, error) {
	note(log, "writing %s under %s", keysOf(int64(b.flags.keys)), b.prefix)
	if err := b.fill(ctx); err != nil {
		return benchReport{}, err
	}
	note(log, "measuring for %v with %d clients", b.flags.duration, b.flags.clients)
	report := b.measure(ctx)
	if ctx.Err() != nil {
		return report, interruption{ctx.Err()}
	}
	return report, nil
}

// bencher generates load.
type bencher struct {
	kv      *client.Client
	flags   *benchFlags
	timeout time.Duration
	prefix  string // of all its keys
	ttl     client.TTL
	value   []byte
	failed  failures
}
