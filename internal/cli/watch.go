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

// watchFlags are the flags of kv watch.
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
		Short: "Watch keys for changes",
		Long: `Watch a key, or all keys that begin with PREFIX, and print each change on a
line, until interrupted.

Each change is printed exactly once, in order. If the store becomes unreachable,
the watch reconnects and resumes where it was. When it ends, it prints the
command that resumes it; with -o json, each event has its own resume token.`,
		Example: `  kv watch config
  kv watch --prefix users/ --snapshot
  kv watch --prefix '' -o json | jq -c .entry
  kv watch --prefix users/ --resume 1y2p0ij32e8e7-42`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.watch(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "watch all keys that begin with this prefix; '' for all keys")
	cmd.Flags().BoolVar(&f.snapshot, "snapshot", false, "print the existing entries first")
	cmd.Flags().StringVar(&f.resume, "resume", "", "resume after the event with this `TOKEN`")
	f.output.flags(cmd, outputTable, outputJSON)
	_ = cmd.RegisterFlagCompletionFunc("prefix", c.completePrefix)
	return cmd
}

func (c *connection) watch(cmd *cobra.Command, f *watchFlags, args []string) error {
	if byPrefix := cmd.Flags().Changed("prefix"); byPrefix == (len(args) == 1) {
		return usageError{errors.New("nothing to watch: want either KEY or --prefix PREFIX (--prefix '' for all keys)")}
	}
	if err := exclusive(cmd, "snapshot", "resume"); err != nil {
		return err
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	// A watch waits for an unreachable store. A person who has just started one is told at once.
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
	if errors.Is(err, context.Canceled) { // the usual end of a watch
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
	token    string // resumes the watch after the last event
	cutOff   bool   // no event has arrived since the connection was lost
	synced   bool   // the first sync event has been printed
}

func (w *watcher) follow(events iter.Seq2[client.Event, error]) error {
	for event, err := range events {
		if err != nil {
			return err
		}
		w.cutOff = false
		if err := w.print(event); err != nil {
			return err
		}
		if event.ResumeToken != "" {
			w.token = event.ResumeToken
		}
	}
	return nil
}

// cut reports a lost connection, once for any number of attempts to reconnect.
func (w *watcher) cut(err error) {
	if !w.cutOff {
		note(w.log, "connection lost, retrying: %v", err)
	}
	w.cutOff = true
}

// explain prints the command that resumes the watch.
func (w *watcher) explain(args []string) {
	if w.token == "" {
		return
	}
	what := "--prefix " + shellWord(w.flags.prefix)
	if len(args) == 1 {
		what = shellWord(args[0])
	}
	note(w.log, "to resume: kv watch %s --resume %s", what, shellWord(w.token))
}

// eventJSON is an event as -o json prints it. Its type has the same name as over REST.
type eventJSON struct {
	Type        client.EventType `json:"type"`
	Entry       *entryJSON       `json:"entry,omitzero"`
	Revision    uint64           `json:"revision,string,omitzero"`
	ResumeToken string           `json:"resumeToken,omitzero"`
}

func (w *watcher) print(event client.Event) error {
	if w.flags.format == outputJSON {
		return printJSON(w.out, newEventJSON(event))
	}
	if event.Type == client.EventSync { // repeats while nothing changes; a person needs only the first
		if w.synced {
			return nil
		}
		w.synced = true
	}
	line := fmt.Sprintf("%-6s  %s", event.Type, keyOn(w.out, event.Entry.Key))
	if event.Type == client.EventPut {
		line += "  " + preview(event.Entry.Value)
	}
	_, err := fmt.Fprintln(w.out, strings.TrimRight(line, " "))
	return err
}

func newEventJSON(event client.Event) eventJSON {
	line := eventJSON{Type: event.Type, Revision: event.Revision, ResumeToken: event.ResumeToken}
	if event.Entry.Key != "" {
		entry := newEntryJSON(event.Entry)
		line.Entry = &entry
	}
	return line
}

// preview returns the beginning of a value as a quoted string, on one line.
func preview(value []byte) string {
	const maxBytes = 60
	if len(value) <= maxBytes {
		return quoted(string(value))
	}
	begin := value[:complete(value[:maxBytes])]
	return fmt.Sprintf("%s… (%s)", quoted(string(begin)), readableBytes(int64(len(value))))
}
