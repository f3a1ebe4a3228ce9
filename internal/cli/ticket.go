package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/contract"
)

// ticketFlags are the flags of kv ticket.
type ticketFlags struct {
	output

	prefix string
	ttl    time.Duration
}

func newTicket(getenv func(string) string) *cobra.Command {
	c, f := &connection{getenv: getenv}, &ticketFlags{}
	cmd := &cobra.Command{
		Use:   "ticket KEY | --prefix PREFIX",
		Short: "Create a ticket that opens one watch without an API key",
		Long: `Create a ticket: a string that opens one watch over REST, for callers that
cannot send an API key, such as EventSource in a browser. It is sent as

    GET /v1/values:watch?ticket=TICKET

and opens nothing else. It expires after its TTL, at most an hour, and the
watches that it opened end then. It allows no more than the API key in use, and
becomes invalid when that is revoked, rotated or expired.`,
		Example: `  kv ticket --prefix news/ --ttl 10m
  curl -N "$KV_URL/v1/values:watch?ticket=$(kv ticket config)"`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.ticket(cmd, f, args) },
		ValidArgsFunction: c.completeKey(1),
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "watch all keys that begin with this prefix; '' for all keys")
	ttlVar(cmd.Flags(), &f.ttl, contract.DefaultTicketTTL, contract.MaxTicketTTL, "1h", "how long the ticket is valid, at most 1h")
	f.output.flags(cmd, outputRaw, outputJSON)
	_ = cmd.RegisterFlagCompletionFunc("prefix", c.completePrefix)
	return cmd
}

func (c *connection) ticket(cmd *cobra.Command, f *ticketFlags, args []string) error {
	byPrefix := cmd.Flags().Changed("prefix")
	if byPrefix == (len(args) == 1) {
		return usageError{errors.New(keyOrPrefix(byPrefix))}
	}
	ctx, cancel, kv, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	var ticket client.Ticket
	if byPrefix {
		ticket, err = kv.CreateTicket(ctx, f.prefix, f.ttl)
	} else {
		ticket, err = kv.CreateKeyTicket(ctx, args[0], f.ttl)
	}
	switch {
	case err != nil:
		return err
	case f.format == outputJSON:
		return printJSON(cmd.OutOrStdout(), ticketJSON{ticket.Text, ticket.ExpireTime})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), ticket.Text)
	return err
}

// ticketJSON has the members of the REST answer.
type ticketJSON struct {
	Ticket     string    `json:"ticket"`
	ExpireTime time.Time `json:"expireTime"`
}
