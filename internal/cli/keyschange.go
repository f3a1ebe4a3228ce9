package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

func newKeysRotate(getenv func(string) string) *cobra.Command {
	k, id, grace := &keysFile{getenv: getenv}, "", period(0)
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key in the place of one, and print it, once",
		Long: `Make a new key in the place of one, with the same id and rights, and print it. The one before is refused from
then on, or when --grace is over, so that its users have time to change. Of two rotations within that time, the
second ends the first one's.`,
		Example: "  kv keys rotate --file keys.json --id reports --grace 1d",
		RunE:    func(cmd *cobra.Command, _ []string) error { return k.rotate(cmd, id, grace) },
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	cmd.Flags().Var(&grace, "grace", "how long the key before stays valid, such as 1d or 12h; 0: not at all")
	return cmd
}

func (k *keysFile) rotate(cmd *cobra.Command, id string, grace period) error {
	key, now := auth.Generate(id), time.Now()
	about := fmt.Sprintf("the key that %q had before is refused now", id)
	if err := k.edit(id, func(r *auth.Record) error {
		if r.Status == auth.Revoked {
			return fmt.Errorf("the key %q is revoked: make another one", id)
		}
		r.Previous = nil
		if grace > 0 {
			r.Previous = &auth.Previous{SHA256: r.SHA256, Expires: grace.after(now)}
			about = fmt.Sprintf("the key that %q had before is valid until %s", id, r.Previous.Expires.Format(time.RFC3339))
		}
		r.SHA256 = auth.HashOf(key)
		return nil
	}); err != nil {
		return err
	}
	return show(cmd, key, about)
}

func newKeysRevoke(getenv func(string) string) *cobra.Command {
	k, id := &keysFile{getenv: getenv}, ""
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Have a key refused from now on",
		Long: `Have a key refused from now on, for good, also the one before it was rotated. What it has open ends. It stays in
the list.`,
		Example: "  kv keys revoke --file keys.json --id reports",
		RunE: func(*cobra.Command, []string) error {
			return k.edit(id, func(r *auth.Record) error {
				r.Status, r.Previous = auth.Revoked, nil
				return nil
			})
		},
	}
	k.flags(cmd)
	idFlag(cmd, &id)
	return cmd
}
