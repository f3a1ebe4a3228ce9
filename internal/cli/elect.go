package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/client/election"
	"key-value/client/lock"
)

// electFlags are the flags of kv elect.
type electFlags struct {
	lockFlags
	output

	leader  bool
	observe bool
}

func newElect(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &electFlags{}
	cmd := &cobra.Command{
		Use:   "elect NAME -- COMMAND [ARG...] | --leader | --observe",
		Short: "Run a command on the leader of several processes",
		Long: `Run a command on the leader: one of the processes that take part in an election.
When the leader ends or dies, the one that has waited longest leads.

kv runs COMMAND while it leads, and exits with its code. If the leadership may
be lost, COMMAND gets SIGTERM, and SIGKILL after --grace, as with kv lock; kv
then takes part again, and starts COMMAND again once it leads. COMMAND finds in
its environment:

    KV_ELECTION_NAME   the name of the election
    KV_ELECTION_FENCE  a number that is greater than that of every leader before

--leader prints what the leader says about itself, or exits with 3 if there is
none. --observe prints the leader, and each one that follows, on a line with its
fence, and an empty line while there is none. The entries of an election are
below PREFIX{NAME}/, where the API key must be allowed to read, and to write to
take part.`,
		Example: `  kv elect scheduler -- ./scheduler
  kv elect scheduler --value 10.0.0.7:9000 -- ./scheduler
  kv elect scheduler --leader
  kv elect scheduler --observe -o json`,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.elect(cmd, f, args) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	writing(cmd)
	f.lockFlags.flags(cmd, "elections/")
	cmd.Flags().BoolVar(&f.leader, "leader", false, "print the leader")
	cmd.Flags().BoolVar(&f.observe, "observe", false, "print the leader, and each one that follows")
	f.output.flags(cmd, outputTable, outputJSON)
	return cmd
}

func (c *connection) elect(cmd *cobra.Command, f *electFlags, args []string) error {
	if err := exclusive(cmd, "leader", "observe"); err != nil {
		return err
	}
	name, command, err := nameAndCommand(cmd, args)
	if err != nil {
		return err
	}
	switch asks := f.leader || f.observe; {
	case asks == (len(command) != 0):
		return usageError{errors.New("want either -- COMMAND, --leader or --observe after NAME")}
	case !asks:
		if err := findCommand(command[0]); err != nil {
			return err
		}
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	e, err := election.New(kv, name, f.options()...)
	if err != nil {
		return asUsage(err)
	}
	leader, _, err := e.Leader(ctx)
	if err != nil {
		return err
	}
	defer c.trust.follow(cmd.ErrOrStderr())()
	switch {
	case f.leader && leader.Fence == 0:
		return noLeaderError(name)
	case f.leader:
		return f.print(cmd.OutOrStdout(), leader)
	case f.observe:
		return f.follow(cmd, e)
	}
	return c.campaign(cmd, f, e, name, command)
}

// noLeaderError is the error of an election, its name, that nobody has won.
type noLeaderError string

func (e noLeaderError) Error() string { return fmt.Sprintf("nobody leads %q", string(e)) }

// Unwrap returns the error that has the exit code.
func (noLeaderError) Unwrap() error { return client.ErrNotFound }

// campaign runs the command whenever this process leads, until the command ends by itself.
func (c *connection) campaign(cmd *cobra.Command, f *electFlags, e *election.Election, name string, command []string) error {
	for {
		term, err := e.Campaign(cmd.Context(), f.about())
		switch {
		case err == nil:
			run := f.child(cmd, command, append(c.variables(cmd),
				"KV_ELECTION_NAME="+name, fmt.Sprint("KV_ELECTION_FENCE=", term.Fence())))
			err = runHeld(cmd, run, term.Context(), term.Resign)
		case cmd.Context().Err() != nil:
			return interrupted(cmd, err)
		}
		if !isPassing(err) {
			return err
		}
		note(cmd.ErrOrStderr(), "%s; taking part again", sentence(err))
		select {
		case <-cmd.Context().Done():
		case <-time.After(time.Second):
		}
	}
}

// isPassing reports whether a process that failed with err may lead later.
func isPassing(err error) bool {
	if _, own := errors.AsType[commandError](err); own {
		return false
	}
	return errors.Is(err, lock.ErrLost) || errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOverloaded)
}

// follow prints leaders.
func (f *electFlags) follow(cmd *cobra.Command, e *election.Election) error {
	ctx, leave := context.WithCancelCause(cmd.Context())
	defer leave(nil)
	defer whenReaderLeaves(cmd.OutOrStdout(), func() { leave(errNoReader) })()
	for leader, err := range e.Observe(ctx) {
		if err == nil {
			err = f.print(cmd.OutOrStdout(), leader)
		}
		if errors.Is(context.Cause(ctx), errNoReader) {
			_, err := cmd.OutOrStdout().Write([]byte("\n")) // ends the process with SIGPIPE, as it does any other filter
			return err
		}
		if err != nil {
			return interrupted(cmd, err)
		}
	}
	return nil
}

// leaderJSON is a leader as -o json prints it. Both are absent if nobody leads.
type leaderJSON struct {
	Value string `json:"value,omitzero"`
	Fence uint64 `json:"fence,string,omitzero"`
}

func (f *electFlags) print(w io.Writer, leader election.Leader) error {
	switch {
	case f.format == outputJSON:
		return printJSON(w, leaderJSON(leader))
	case f.leader:
		return printLine(w, leader.Value)
	case leader.Fence == 0:
		return printLine(w, "")
	}
	return printLine(w, fmt.Sprintf("%d  %s", leader.Fence, leader.Value))
}
