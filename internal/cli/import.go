package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/atomicfile"
)

// importFlags are the flags of kv import.
type importFlags struct {
	createOnly bool
	resume     bool
	skip       int64
	strict     bool
}

func newImport(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &importFlags{}
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Import the entries of an export",
		Long: `Import the entries of an export from FILE, or from standard input if FILE is
missing or -.

An entry that expires gets the TTL that it had left when it was exported. If the
line has only the time at which it expires, as in exports of earlier versions,
the TTL is computed by the clock of this machine, and an entry whose time is
past is dropped: it is reported and counted and, with --strict, the exit code is
1. Existing keys are overwritten, unless --create-only is set. Repeating an
import does no harm, but gives the entries their TTLs again.

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
	writing(cmd)
	cmd.Flags().BoolVar(&f.createOnly, "create-only", false, "do not overwrite existing keys")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "continue where the last import of FILE was interrupted")
	cmd.Flags().Int64Var(&f.skip, "skip", 0, "number of lines to skip at the beginning")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit with 1 if an expired entry is dropped")
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
	in, err := openImport(cmd, name)
	if err != nil {
		return err
	}
	defer in.Close()
	if f.resume && !in.regular {
		return usageError{fmt.Errorf("--resume needs a regular file, which %s is not: use --skip LINES", name)}
	}
	kv, err := c.dial()
	if err != nil {
		return err
	}
	defer kv.Close()
	return c.importInto(cmd, f, kv, in)
}

// importInput is what an import reads.
type importInput struct {
	io.ReadCloser
	name    string
	regular bool  // a file that can be read again
	size    int64 // in bytes; zero if not known
}

func openImport(cmd *cobra.Command, name string) (importInput, error) {
	if name == "-" {
		promptFor(cmd, "entries, one per line")
		return importInput{ReadCloser: stdin(cmd), name: name}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return importInput{}, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = atomicfile.CheckRegular(name, info)
	}
	if err != nil {
		return importInput{}, errors.Join(err, file.Close())
	}
	return importInput{file, name, info.Mode().IsRegular(), info.Size()}, nil
}

// importInto imports in, from the position that the flags name, and keeps a checkpoint if it is a file.
func (c *connection) importInto(cmd *cobra.Command, f *importFlags, kv *client.Client, in importInput) error {
	log := cmd.ErrOrStderr()
	target, err := c.target(cmd.Context(), kv)
	if err != nil {
		return err
	}
	mark, err := newCheckpoint(in, target, log)
	if err != nil {
		return err
	}
	from := position{Line: f.skip}
	if f.resume {
		if from, err = mark.load(); err != nil {
			return err
		}
	}
	im := &importer{
		kv: kv, timeout: c.timeout, createOnly: f.createOnly, log: log, done: from,
		progress: newProgress(log, "imported", in.size), save: mark.save,
	}
	err = im.run(cmd.Context(), in, from)
	im.progress.clear()
	note(log, "%v", im.counts)
	if err == nil {
		return errors.Join(c.checkTarget(cmd.Context(), kv, target), mark.remove(), im.counts.err(f.strict))
	}
	mark.write(im.done)
	im.explain(in.name, in.regular && !mark.broken, f, c.words())
	return err
}

// explain prints the command that continues an interrupted import. Words are its flags that say how to connect.
func (im *importer) explain(name string, resumable bool, f *importFlags, words []string) {
	if im.done.Line == 0 {
		return
	}
	words = append([]string{"kv import", shellWord(name)}, words...)
	if f.createOnly {
		words = append(words, "--create-only")
	}
	if f.strict {
		words = append(words, "--strict")
	}
	if !resumable {
		words = append(words, fmt.Sprint("--skip ", im.done.Line))
	} else {
		words = append(words, "--resume")
	}
	note(im.log, "%s imported; to continue: %s", lineRange(1, im.done.Line), strings.Join(words, " "))
}

// target identifies a store and, if a restart loses its data, the run of its process.
type target struct {
	URL string `json:"url"`
	Run string `json:"run,omitzero"` // "" if the data survives a restart, or if the API key may not ask
}

func (c *connection) target(ctx context.Context, kv *client.Client) (target, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stats, err := kv.Stats(ctx)
	t := target{URL: c.url}
	if errors.Is(err, client.ErrPermissionDenied) { // for the statistics; the key may still write what is imported
		return t, nil
	}
	if !stats.Guarantees.Durable {
		t.Run = stats.Run
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
