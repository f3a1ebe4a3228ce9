package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"key-value/client/lock"
)

// lockFlags are the flags of the commands that hold a lock.
type lockFlags struct {
	ttl    time.Duration
	grace  time.Duration
	prefix string
	value  string

	wait time.Duration // kv lock only
	try  bool          // kv lock only
}

func (f *lockFlags) flags(cmd *cobra.Command, prefix string) {
	durationVar(cmd.Flags(), &f.ttl, "ttl", 15*time.Second, "how long a holder that died keeps others waiting; at least 1s")
	durationVar(cmd.Flags(), &f.grace, "grace", 5*time.Second, "time from SIGTERM to SIGKILL; 0: SIGKILL at once")
	cmd.Flags().StringVar(&f.prefix, "prefix", prefix, "prefix of the keys in the store")
	cmd.Flags().StringVar(&f.value, "value", "", "what identifies this process to others; default: its host and process id")
}

func (f *lockFlags) options() []lock.Option {
	return []lock.Option{lock.TTL(f.ttl), lock.Prefix(f.prefix), lock.Wait(f.wait)}
}

// about returns what others are told about this process.
func (f *lockFlags) about() string {
	host, _ := os.Hostname()
	return cmp.Or(f.value, host+":"+strconv.Itoa(os.Getpid()))
}

func newLock(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &lockFlags{}
	cmd := &cobra.Command{
		Use:   "lock NAME -- COMMAND [ARG...]",
		Short: "Run a command while holding a lock",
		Long: `Run a command while holding a lock, which one process at a time can hold. Others
wait, and get the lock in the order in which they asked for it.

kv renews the lock while COMMAND runs, and exits with its code. If the lock may
be lost, because the store was out of reach for nine tenths of the TTL or lost
it, COMMAND gets SIGTERM, and SIGKILL after --grace; kv then exits with 6. On
Linux, what COMMAND has started gets these signals too, unless standard input is
a terminal, and COMMAND is killed if kv dies.

Another process may hold the lock a tenth of the TTL after the SIGTERM. If late
writes would do harm, send the fence along with each of them, and let the
resource refuse one that is smaller than the greatest it has seen. COMMAND finds
in its environment:

    KV_LOCK_NAME   the name of the lock
    KV_LOCK_FENCE  a number that is greater than that of every holder before

A kv that COMMAND runs connects to the same store. With --try, or after --wait,
kv exits with 6 if the lock is held. NAME has no braces. The entries of a lock
are below PREFIX{NAME}/, where the API key must be allowed to read and write.`,
		Example: `  kv lock nightly -- ./backup.sh
  kv lock nightly --try -- ./backup.sh
  kv lock deploy --wait 10m --ttl 1m -- make deploy
  kv lock job -- sh -c 'curl -H "Fence: $KV_LOCK_FENCE" -d @job http://db'`,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.lock(cmd, f, args) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.flags(cmd)
	writing(cmd)
	f.flags(cmd, "locks/")
	durationVar(cmd.Flags(), &f.wait, "wait", 0, "longest time to wait; 0: no limit")
	cmd.Flags().BoolVar(&f.try, "try", false, "fail at once if the lock is held")
	return cmd
}

func (c *connection) lock(cmd *cobra.Command, f *lockFlags, args []string) error {
	if err := exclusive(cmd, "wait", "try"); err != nil {
		return err
	}
	name, command, err := nameAndCommand(cmd, args)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return usageError{errors.New("nothing to run: want NAME -- COMMAND [ARG...]")}
	}
	if err := findCommand(command[0]); err != nil {
		return err
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	l, err := lock.New(kv, name, append(f.options(), lock.Value(f.about()))...)
	if err != nil {
		return asUsage(err)
	}
	defer c.trust.follow(cmd.ErrOrStderr())()
	// A wait outlasts failures of the store. A person who has just started one is told of them at once.
	holder, taken, err := l.Holder(ctx)
	if err != nil {
		return err
	}
	var held *lock.Held
	switch {
	case f.try && taken:
		err = lock.ErrHeld
	case f.try:
		held, err = l.TryLock(cmd.Context())
	default:
		if taken && isTerminal(cmd.ErrOrStderr()) {
			note(cmd.ErrOrStderr(), "waiting for %s", holder.Value)
		}
		held, err = l.Lock(cmd.Context())
	}
	if errors.Is(err, lock.ErrHeld) {
		return c.heldBy(cmd.Context(), l)
	}
	if err != nil {
		return interrupted(cmd, err)
	}
	run := f.child(cmd, command, append(c.variables(cmd), "KV_LOCK_NAME="+name, fmt.Sprint("KV_LOCK_FENCE=", held.Fence())))
	return runHeld(cmd, run, held.Context(), held.Unlock)
}

// heldBy returns the error of a lock that is held, with its holder if that is known.
func (c *connection) heldBy(ctx context.Context, l *lock.Lock) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if holder, ok, err := l.Holder(ctx); ok && err == nil {
		return fmt.Errorf("%w by %s", lock.ErrHeld, holder.Value)
	}
	return lock.ErrHeld
}

// nameAndCommand returns what is before "--" and what is after it, which may be empty. A NAME that begins with a dash follows
// a "--" of its own.
func nameAndCommand(cmd *cobra.Command, args []string) (string, []string, error) {
	names, command := args, []string(nil)
	switch dash := cmd.ArgsLenAtDash(); {
	case dash > 0:
		names, command = args[:dash], args[dash:]
	case dash == 0 && len(args) > 1 && args[1] == "--":
		names, command = args[:1], args[2:]
	}
	if len(names) != 1 {
		return "", nil, usageError{fmt.Errorf("%d names: want one NAME, then -- COMMAND [ARG...]", len(names))}
	}
	return names[0], command, nil
}

func (f *lockFlags) child(cmd *cobra.Command, command, env []string) child {
	return child{
		words: command, env: env, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(),
		grace: f.grace, together: true,
	}
}

// runHeld runs a command under a lock with the context of its holder, and unlocks it.
func runHeld(cmd *cobra.Command, run child, ctx context.Context, unlock func() error) error {
	err := run.run(ctx)
	switch failed := unlock(); {
	case errors.Is(failed, lock.ErrLost):
		return failed
	case failed != nil:
		note(cmd.ErrOrStderr(), "%s", sentence(failed))
	}
	return interrupted(cmd, err)
}

// interrupted returns err, or an interruption if that is why cmd failed.
func interrupted(cmd *cobra.Command, err error) error {
	if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
		return interruption{err}
	}
	return err
}
