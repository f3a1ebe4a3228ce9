package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"key-value/client"
)

// watchFlags say what is watched, and from where.
type watchFlags struct {
	output

	prefix   string
	snapshot bool
	resume   string
}

func newWatch(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &watchFlags{}
	cmd := &cobra.Command{
		Use:   "watch KEY | --prefix PREFIX",
		Short: "Follow changes, one line each",
		Long: `Follow the changes of a key, or of all keys that begin with PREFIX, one line each, until ^C.

Each change is told exactly once, in order. When the store cannot be reached for a while, the watch goes on by itself
from where it was. At its end it says how it can be continued; as json, each event has its own resume token.`,
		Example: `  kv watch config
  kv watch --prefix users/ --snapshot
  kv watch --prefix '' -o json | jq -c .entry
  kv watch --prefix users/ --resume 1y2p0ij32e8e7-42`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.watch(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "watch all keys that begin with this; '' for all keys")
	cmd.Flags().BoolVar(&f.snapshot, "snapshot", false, "begin with the entries that exist")
	cmd.Flags().StringVar(&f.resume, "resume", "", "go on right after the event with this `TOKEN`")
	f.output.flags(cmd, outputTable, outputJSON)
	_ = cmd.RegisterFlagCompletionFunc("prefix", c.completePrefix)
	return cmd
}

func (c *connection) watch(cmd *cobra.Command, f *watchFlags, args []string) error {
	if byPrefix := cmd.Flags().Changed("prefix"); byPrefix == (len(args) == 1) {
		return usageError{errors.New("say what to watch: either KEY or --prefix PREFIX, with --prefix '' for all keys")}
	}
	if err := exclusive(cmd, "snapshot", "resume"); err != nil {
		return err
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	// A watch waits for a store that is not there. Who has just typed the command wants to know instead.
	if _, err := kv.Stats(ctx); err != nil && !errors.Is(err, client.ErrPermissionDenied) {
		return err
	}
	w := &watcher{flags: f, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), token: f.resume}
	events := kv.Watch(cmd.Context(), f.prefix, f.options(w.cut)...)
	if len(args) == 1 {
		events = kv.WatchKey(cmd.Context(), args[0], f.options(w.cut)...)
	}
	defer c.trust.follow(w.log)()
	err = w.follow(events)
	if errors.Is(err, context.Canceled) { // it is how a watch ends
		w.explain(args)
		return nil
	}
	if w.token != f.resume {
		w.explain(args)
	}
	return err
}

func (f *watchFlags) options(cut func(error)) []client.WatchOption {
	options := []client.WatchOption{client.ResumeFrom(f.resume), client.OnCut(cut)}
	if f.snapshot {
		options = append(options, client.FromSnapshot())
	}
	return options
}

// watcher prints the events of a watch.
type watcher struct {
	flags    *watchFlags
	out, log io.Writer
	token    string // continues the watch
	silent   bool   // whether nothing was heard since the watch was cut
	synced   bool   // whether it was told that the watch has begun
}

func (w *watcher) follow(events iter.Seq2[client.Event, error]) error {
	for event, err := range events {
		if err != nil {
			return err
		}
		w.silent = false
		if err := w.print(event); err != nil {
			return err
		}
		if event.ResumeToken != "" {
			w.token = event.ResumeToken
		}
	}
	return nil
}

// cut tells of an interruption once, and not each time that the watch tries again.
func (w *watcher) cut(err error) {
	if !w.silent {
		fmt.Fprintf(w.log, "kv: the watch was cut and will go on when it can: %v\n", err)
	}
	w.silent = true
}

// explain says how the watch can be continued.
func (w *watcher) explain(args []string) {
	if w.token == "" {
		return
	}
	what := "--prefix " + shellWord(w.flags.prefix)
	if len(args) == 1 {
		what = shellWord(args[0])
	}
	fmt.Fprintf(w.log, "kv: to go on from here: kv watch %s --resume %s\n", what, w.token)
}

// eventJSON is an event on a line. Its type has the name that REST gives it.
type eventJSON struct {
	Type        client.EventType `json:"type"`
	Entry       *entryJSON       `json:"entry,omitzero"`
	ResumeToken string           `json:"resumeToken,omitzero"`
}

func (w *watcher) print(event client.Event) error {
	if w.flags.format == outputJSON {
		return printJSON(w.out, newEventJSON(event))
	}
	if event.Type == client.EventSync { // comes again and again, and says nothing new to a person
		if w.synced {
			return nil
		}
		w.synced = true
	}
	line := fmt.Sprintf("%-6s  %s", event.Type, event.Entry.Key)
	if event.Type == client.EventPut {
		line += "  " + preview(event.Entry.Value)
	}
	_, err := fmt.Fprintln(w.out, strings.TrimRight(line, " "))
	return err
}

func newEventJSON(event client.Event) eventJSON {
	line := eventJSON{Type: event.Type, ResumeToken: event.ResumeToken}
	if event.Entry.Key != "" {
		entry := newEntryJSON(event.Entry)
		line.Entry = &entry
	}
	return line
}

// preview is the beginning of a value, in quotes, so that it is one line and safe to show.
func preview(value []byte) string {
	const longest = 60
	if len(value) <= longest {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q… (%s)", strings.ToValidUTF8(string(value[:longest]), ""), readableBytes(int64(len(value))))
}
