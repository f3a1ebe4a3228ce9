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
	sync     bool // print sync events too
	once     bool // end after the first change
	resume   string
}

func newWatch(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &watchFlags{}
	cmd := &cobra.Command{
		Use:   "watch KEY | --prefix PREFIX [-- COMMAND [ARG...]]",
		Short: "Watch keys for changes",
		Long: `Watch a key, or all keys that begin with PREFIX, and print each change on a
line, until interrupted.

Each change is printed exactly once, in order. If the store becomes unreachable,
the watch reconnects and resumes where it was. When it is interrupted, it prints
the command that resumes it; with -o json, each event has its own resume token.

A COMMAND after -- runs once for each change, one at a time, and nothing else is
printed. It finds the event in its environment, and the value, byte for byte, on
its standard input:

    KV_EVENT_TYPE          put, touch, delete, expire or evict; sync with --sync
    KV_EVENT_KEY           the key
    KV_EVENT_VALUE         the value, if it is text of at most 64 KiB
    KV_EVENT_ETAG          the etag of the entry
    KV_EVENT_EXPIRE_TIME   when the entry expires, such as 2030-01-31T12:00:00Z
    KV_EVENT_RESUME_TOKEN  the token for --resume

Variables that do not apply are empty. A kv that the COMMAND runs connects to
the same store. A COMMAND that fails is reported, and the watch goes on. With
--once, kv exits with the code of the COMMAND.`,
		Example: `  kv watch config
  kv watch --prefix users/ --snapshot
  kv watch deploy/version --once
  kv watch config -- sh -c 'cat > app.conf && systemctl reload app'
  kv watch --prefix '' -o json | jq -c .entry
  kv watch --prefix users/ --resume 1y2p0ij32e8e7-42`,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.watch(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "watch all keys that begin with this prefix; '' for all keys")
	cmd.Flags().BoolVar(&f.snapshot, "snapshot", false, "print the existing entries first")
	cmd.Flags().BoolVar(&f.sync, "sync", false, "print sync events too: the watch is up to date, and its snapshot complete")
	cmd.Flags().BoolVar(&f.once, "once", false, "end after the first change, or the first existing entry with --snapshot")
	cmd.Flags().StringVar(&f.resume, "resume", "", "resume after the event with this `TOKEN`")
	f.output.flags(cmd, outputTable, outputJSON)
	_ = cmd.RegisterFlagCompletionFunc("prefix", c.completePrefix)
	return cmd
}

func (c *connection) watch(cmd *cobra.Command, f *watchFlags, args []string) error {
	w := &watcher{flags: f, connection: c, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), token: f.resume}
	if err := w.parse(cmd, args); err != nil {
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
	watching, leave := context.WithCancelCause(cmd.Context())
	defer leave(nil)
	defer whenReaderLeaves(w.out, func() { leave(errNoReader) })()
	events := kv.Watch(watching, f.prefix, f.options(w.cut)...)
	if !w.byPrefix {
		events = kv.WatchKey(watching, w.key, f.options(w.cut)...)
	}
	defer c.trust.follow(w.log)()
	return w.ended(watching, w.follow(watching, events))
}

func (f *watchFlags) options(cut func(error)) []client.WatchOption {
	options := []client.WatchOption{client.ResumeFrom(f.resume), client.OnCut(cut)}
	if f.snapshot {
		options = append(options, client.FromSnapshot())
	}
	return options
}

// watcher prints the events of a watch, or runs a command for each.
type watcher struct {
	*connection

	flags       *watchFlags
	byPrefix    bool     // the watch is of flags.prefix
	key         string   // otherwise
	command     []string // to run for each event; empty to print it
	environment []string // of the command, beside the event
	out, log    io.Writer
	token       string // resumes the watch after the last event
	cutOff      bool   // no event has arrived since the connection was lost
	synced      bool   // a sync event has been shown since the snapshot began
}

// parse sets what to watch and what to run. A KEY that begins with a dash follows a "--" of its own.
func (w *watcher) parse(cmd *cobra.Command, args []string) error {
	w.byPrefix = cmd.Flags().Changed("prefix")
	targets := args
	if dash := cmd.ArgsLenAtDash(); dash > 0 || dash == 0 && w.byPrefix {
		targets, w.command = args[:dash], args[dash:]
	} else if dash == 0 && len(args) > 1 && args[1] == "--" {
		targets, w.command = args[:1], args[2:]
	}
	switch {
	case w.byPrefix == (len(targets) == 1), len(targets) > 1:
		return usageError{errors.New(keyOrPrefix(len(targets) != 0) + ", then -- COMMAND if any")}
	case !w.byPrefix:
		w.key = targets[0]
	}
	w.environment = w.variables(cmd)
	if err := exclusive(cmd, "snapshot", "resume"); err != nil {
		return err
	}
	if len(w.command) == 0 {
		return nil
	}
	return findCommand(w.command[0])
}

func (w *watcher) follow(ctx context.Context, events iter.Seq2[client.Event, error]) error {
	for event, err := range events {
		if err != nil {
			return err
		}
		w.cutOff = false
		if w.shows(event) {
			if err := w.show(ctx, event); err != nil {
				return err
			}
		}
		if event.ResumeToken != "" {
			w.token = event.ResumeToken
		}
		if w.flags.once && event.Entry.Key != "" {
			return nil
		}
	}
	return nil
}

// shows reports whether event is one to show. Sync events repeat while nothing changes: each has a token, which only JSON
// shows.
func (w *watcher) shows(event client.Event) bool {
	switch event.Type {
	case client.EventSync:
		again := w.synced && (w.flags.format != outputJSON || len(w.command) != 0)
		w.synced = true
		return w.flags.sync && !again
	case client.EventReset:
		w.synced = false
	}
	return true
}

func (w *watcher) show(ctx context.Context, event client.Event) error {
	if len(w.command) == 0 {
		return w.print(event)
	}
	err := w.run(ctx, event)
	if err == nil || w.flags.once || ctx.Err() != nil {
		return err
	}
	note(w.log, "%s %s: %v", event.Type, quoted(event.Entry.Key), err)
	return nil
}

// errNoReader ends a watch whose output nobody reads.
var errNoReader = errors.New("standard output is closed")

// ended returns the error of a watch that ended with err, and prints how to resume it.
func (w *watcher) ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errNoReader):
		_, err := w.out.Write([]byte("\n")) // ends the process with SIGPIPE, as it does any other filter
		return err
	case ctx.Err() != nil:
		w.explain()
		return interruption{ctx.Err()}
	case w.token != w.flags.resume:
		w.explain()
	}
	return err
}

// cut reports a lost connection, once for any number of attempts to reconnect.
func (w *watcher) cut(err error) {
	if !w.cutOff {
		note(w.log, "connection lost, retrying: %s", sentence(err))
	}
	w.cutOff = true
}

// explain prints the command that resumes the watch.
func (w *watcher) explain() {
	if w.token == "" {
		return
	}
	words := []string{"--prefix", w.flags.prefix, "--resume", w.token}
	switch {
	case w.byPrefix:
	case strings.HasPrefix(w.key, "-"):
		words = []string{"--resume", w.token, "--", w.key}
	default:
		words = []string{w.key, "--resume", w.token}
	}
	if len(w.command) != 0 {
		words = append(append(words, "--"), w.command...)
	}
	for i, word := range words {
		words[i] = shellWord(word)
	}
	note(w.log, "to resume: kv watch %s", strings.Join(append(w.words(), words...), " "))
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
	line := fmt.Sprintf("%-6s  %s", event.Type, keyOn(w.out, event.Entry.Key))
	if event.Type == client.EventPut {
		line += "  " + preview(event.Entry.Value)
	}
	if event.Type == client.EventTouch {
		line += "  expires in: " + ttlLeft(event.Entry.TTL)
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

// keyOrPrefix says what to watch, to a caller that named too much or nothing.
func keyOrPrefix(tooMuch bool) string {
	if tooMuch {
		return "more than one thing to watch: want either KEY or --prefix PREFIX"
	}
	return "nothing to watch: want either KEY or --prefix PREFIX (--prefix '' for all keys)"
}
