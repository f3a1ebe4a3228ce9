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

// importFlags are the flags of kv import.
type importFlags struct {
	createOnly bool
	resume     bool
	skip       int64
}

func newImport(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &importFlags{}
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Import the entries of an export",
		Long: `Import the entries of an export from FILE, or from standard input if FILE is
missing or -.

An entry that expires gets its remaining TTL, by the clock of this machine. An
entry that has already expired is skipped. Existing keys are overwritten, unless
--create-only is set. Repeating an import does no harm.

An invalid or incomplete line ends the import and is reported with its number;
the lines before it have been imported. An entry that the store rejects, for
example because its value is too large, is reported and the import continues;
the exit code is then 1.

An import of FILE records its progress in FILE.progress. If it is interrupted,
--resume continues from there. For standard input, use --skip.`,
		Example: `  kv import backup.ndjson
  kv import backup.ndjson --resume
  gunzip -c users.ndjson.gz | kv import --create-only`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.importFrom(cmd, f, append(args, "-")[0]) },
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "do not overwrite existing keys")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "continue where the last import of FILE was interrupted")
	cmd.Flags().Int64Var(&f.skip, "skip", 0, "number of lines to skip at the beginning")
	return cmd
}

func (c *connection) importFrom(cmd *cobra.Command, f *importFlags, name string) error {
	if err := exclusive(cmd, "resume", "skip"); err != nil {
		return err
	}
	if name == "-" && f.resume {
		return usageError{errors.New("--resume needs a FILE: name it, or use --skip LINES for standard input")}
	}
	if f.skip < 0 {
		return usageError{fmt.Errorf("invalid --skip %d: want a number of lines", f.skip)}
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

// openImport opens the input and returns its size in bytes, or zero if it is not known.
func openImport(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		promptFor(cmd, "entries, one per line")
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

// importInto imports in, from the position that the flags name, and keeps a checkpoint if name is a file.
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
		progress: newProgress(log, "imported", size), save: mark.save,
	}
	err = im.run(cmd.Context(), in, from)
	im.progress.clear()
	fmt.Fprintln(log, "kv: "+im.counts.String())
	if err == nil {
		return errors.Join(c.checkTarget(cmd.Context(), kv, target), mark.remove(), im.counts.err())
	}
	mark.write(im.done)
	im.explain(name, f)
	return err
}

// explain prints the command that continues an interrupted import.
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
	fmt.Fprintf(im.log, "kv: lines 1 to %d imported; to continue: %s\n", im.done.Line, strings.Join(words, " "))
}

// target identifies a store and, if a restart loses its data, the run of its process.
type target struct {
	URL     string `json:"url"`
	Started string `json:"started,omitzero"` // "" if the data survives a restart
}

func (c *connection) target(ctx context.Context, kv *client.Client) (target, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stats, err := kv.Stats(ctx)
	t := target{URL: c.url}
	if !stats.Guarantees.Durable {
		t.Started = stats.StartTime.UTC().Format(time.RFC3339Nano)
	}
	return t, err
}

// checkTarget fails if the store was restarted during the import and has lost what was imported before.
func (c *connection) checkTarget(ctx context.Context, kv *client.Client, before target) error {
	now, err := c.target(ctx, kv)
	if err == nil && now != before {
		err = errors.New("the store was restarted during the import and lost its earlier entries: import again")
	}
	return err
}

// position is how far an import got: everything up to and including this line is done.
type position struct {
	Line int64  `json:"line"` // from 1; zero for none
	Key  string `json:"key"`  // of the entry on that line; "" if not known
}

// checkpoint keeps the position of an import in a file next to the imported one.
type checkpoint struct {
	file   string // "" if standard input is imported
	target target
	log    io.Writer

	saved  time.Time
	broken bool // writing failed, which has been logged
}

// checkpointed is the content of the file.
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

// load returns the position after which an import continues.
func (c *checkpoint) load() (position, error) {
	text, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, fmt.Errorf("nothing to resume: %s does not exist; import without --resume", c.file)
	}
	if err != nil {
		return position{}, err
	}
	var at checkpointed
	if err := json.Unmarshal(text, &at); err != nil {
		return position{}, fmt.Errorf("invalid checkpoint %s: %w; import without --resume", c.file, err)
	}
	if at.target.URL != c.target.URL {
		return position{}, fmt.Errorf("the last import went to %s, this one goes to %s: import without --resume", at.target.URL, c.target.URL)
	}
	if at.target != c.target {
		return position{}, errors.New("the store was restarted after the last import and lost its entries: import without --resume")
	}
	return at.position, nil
}

// save writes p at most once per second. A checkpoint may lag behind: importing an entry twice does no harm.
func (c *checkpoint) save(p position) {
	if time.Since(c.saved) >= time.Second {
		c.write(p)
	}
}

// write replaces the file atomically, so that it is never incomplete.
func (c *checkpoint) write(p position) {
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
		fmt.Fprintf(c.log, "kv: cannot save progress, --resume will not work: %v\n", err)
	}
}

// remove deletes the checkpoint of a complete import.
func (c *checkpoint) remove() error {
	if c.file == "" {
		return nil
	}
	if err := os.Remove(c.file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
