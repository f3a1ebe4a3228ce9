package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"key-value/client"
)

// importFlags say how entries are imported.
type importFlags struct {
	createOnly bool
	resume     bool
	skip       int64
}

func newImport(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &importFlags{}
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Write the entries of an export into the store",
		Long: `Write the entries of an export into the store, from FILE, or from standard input if it is - or not given.

An entry that expires gets the TTL that is left of it, by the clock of this machine; one that has expired is skipped.
What is in the store under the same key is overwritten, unless --create-only is given. Importing twice does no harm.

A line that is broken or cut off ends the import with its number; what stands before it is done. An entry that the store
refuses, such as one with a value that is too large, is reported and the others go on; then the exit code is 1.

While FILE is imported, FILE.progress says how far it got. If it is interrupted, --resume goes on from there. --skip does
the same by hand, for standard input.`,
		Example: `  kv import backup.ndjson
  kv import backup.ndjson --resume
  gunzip -c users.ndjson.gz | kv import --create-only`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.importFrom(cmd, f, append(args, "-")[0]) },
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "leave keys that exist as they are")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on where the last import of FILE ended")
	cmd.Flags().Int64Var(&f.skip, "skip", 0, "pass over so many lines at the beginning")
	return cmd
}

func (c *connection) importFrom(cmd *cobra.Command, f *importFlags, name string) error {
	if err := exclusive(cmd, "resume", "skip"); err != nil {
		return err
	}
	if name == "-" && f.resume {
		return usageError{errors.New("--resume goes on with a file: name it, or use --skip LINES")}
	}
	if f.skip < 0 {
		return usageError{fmt.Errorf("--skip %d: use the number of lines to pass over", f.skip)}
	}
	in, size, err := openImport(cmd, name)
	if err != nil {
		return err
	}
	defer in.Close()
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	return c.importInto(cmd, f, kv, in, size, name)
}

// openImport returns the input and its size, which is zero if it is not known.
func openImport(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		promptFor(cmd, "entries, one a line")
		return stdin(cmd), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// importInto imports what in has, from where the flags say, and keeps note of it beside the file.
func (c *connection) importInto(
	cmd *cobra.Command, f *importFlags, kv *client.Client, in io.Reader, size int64, name string,
) error {
	log := cmd.ErrOrStderr()
	target, err := c.target(cmd.Context(), kv)
	if err != nil {
		return err
	}
	mark := newCheckpoint(name, target, log)
	from := position{Line: f.skip}
	if f.resume {
		if from, err = mark.load(); err != nil {
			return err
		}
	}
	im := &importer{
		kv: kv, timeout: c.timeout, createOnly: f.createOnly, log: log, done: from,
		progress: newProgress(log, "imported", size), reached: mark.save,
	}
	err = im.run(cmd.Context(), in, from)
	im.progress.clear()
	fmt.Fprintln(log, "kv: "+im.tally.String())
	if err == nil {
		return errors.Join(c.stillThere(cmd.Context(), kv, target), mark.remove(), im.tally.err())
	}
	mark.finish(im.done)
	im.explain(name, f)
	return err
}

// explain says how to go on with an import that was cut off.
func (im *importer) explain(name string, f *importFlags) {
	if im.done.Line == 0 {
		return
	}
	words := []string{"kv import", shellWord(name)}
	if f.createOnly {
		words = append(words, "--create-only")
	}
	if name == "-" {
		words = append(words, fmt.Sprint("--skip ", im.done.Line))
	} else {
		words = append(words, "--resume")
	}
	fmt.Fprintf(im.log, "kv: lines 1 to %d are done; to go on from there: %s\n", im.done.Line, strings.Join(words, " "))
}

// target names the store that an import writes into, in the life that it has now.
func (c *connection) target(ctx context.Context, kv *client.Client) (target, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stats, err := kv.Stats(ctx)
	t := target{URL: c.url}
	if !stats.Guarantees.Durable { // what was written does not outlive a restart
		t.Started = stats.StartTime.UTC().Format(time.RFC3339Nano)
	}
	return t, err
}

// stillThere checks that the store was not restarted, and has therefore lost what was written first.
func (c *connection) stillThere(ctx context.Context, kv *client.Client, before target) error {
	now, err := c.target(ctx, kv)
	if err == nil && now != before {
		err = errors.New("the store was restarted meanwhile, and has lost what was written before that: import again")
	}
	return err
}

// position is how far an import got: all lines up to this one are done.
type position struct {
	Line int64  `json:"line"` // from 1; zero: none
	Key  string `json:"key"`  // of the entry on it; "" if that is not known
}

// target names a store, in the life that it has until it loses its data.
type target struct {
	URL     string `json:"url"`
	Started string `json:"started,omitzero"` // empty: it does not lose its data
}

// checkpoint keeps the position of an import in a file beside the one that is imported.
type checkpoint struct {
	file   string // empty: there is none
	target target
	log    io.Writer

	saved  time.Time
	broken bool // whether it could not be written, which was told
}

// checkpointed is what the file holds.
type checkpointed struct {
	position `json:",inline"`
	target   `json:",inline"`
}

func newCheckpoint(name string, t target, log io.Writer) *checkpoint {
	c := &checkpoint{target: t, log: log}
	if name != "-" {
		c.file = name + ".progress"
	}
	return c
}

// load returns the position from which an import goes on.
func (c *checkpoint) load() (position, error) {
	text, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, fmt.Errorf("there is no %s to go on from: the last import came to its end, or there was none; leave out --resume", c.file)
	}
	if err != nil {
		return position{}, err
	}
	var at checkpointed
	if err := json.Unmarshal(text, &at); err != nil {
		return position{}, fmt.Errorf("%s cannot be read, import without --resume: %w", c.file, err)
	}
	if at.target.URL != c.target.URL {
		return position{}, fmt.Errorf("the last import went to %s, and this one goes to %s: import without --resume", at.target.URL, c.target.URL)
	}
	if at.target != c.target {
		return position{}, errors.New("the store was restarted since, and has lost what was written: import without --resume")
	}
	return at.position, nil
}

// save keeps p, but not each one: an import may be a second ahead, and writing an entry twice does no harm.
func (c *checkpoint) save(p position) {
	if time.Since(c.saved) >= time.Second {
		c.finish(p)
	}
}

// finish keeps p. The file is replaced as a whole, so that it is never half of one.
func (c *checkpoint) finish(p position) {
	if c.file == "" || c.broken || p.Line == 0 {
		return
	}
	text, err := json.Marshal(checkpointed{p, c.target})
	if err == nil {
		err = os.WriteFile(c.file+"~", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(c.file+"~", c.file)
	}
	if c.saved, c.broken = time.Now(), err != nil; c.broken {
		fmt.Fprintf(c.log, "kv: the progress is not kept, so that --resume will not work: %v\n", err)
	}
}

// remove forgets the position when all is done.
func (c *checkpoint) remove() error {
	if c.file == "" {
		return nil
	}
	if err := os.Remove(c.file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
