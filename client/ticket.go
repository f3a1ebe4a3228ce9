package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Ticket opens one watch over REST, at GET /v1/values:watch?ticket=, for callers that cannot send an API key, such as
// EventSource in a browser. It is as secret as what it lets its bearer read.
type Ticket struct {
	Text       string    // as sent; it needs no encoding in a URL
	ExpireTime time.Time // when it expires, and the watches that it opened end
}

// CreateTicket returns a ticket for a watch of all keys that begin with prefix, or of all keys if it is empty. It is valid for
// ttl, at most an hour; zero means five minutes. It does not outlive the API key of the client, whose rights it shares. A
// kvservice does not know API keys, so a client that calls one with its service token gets an [Error] with reason UNIMPLEMENTED.
func (c *Client) CreateTicket(ctx context.Context, prefix string, ttl time.Duration) (Ticket, error) {
	return c.createTicket(ctx, &keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Prefix{Prefix: prefix}}, ttl)
}

// CreateKeyTicket returns a ticket for a watch of a single key. It works like [Client.CreateTicket].
func (c *Client) CreateKeyTicket(ctx context.Context, key string, ttl time.Duration) (Ticket, error) {
	return c.createTicket(ctx, &keyvaluev1.CreateTicketRequest{Target: &keyvaluev1.CreateTicketRequest_Key{Key: key}}, ttl)
}

func (c *Client) createTicket(ctx context.Context, req *keyvaluev1.CreateTicketRequest, ttl time.Duration) (Ticket, error) {
	if ttl != 0 {
		req.Ttl = durationpb.New(ttl)
	}
	res, err := call(ctx, req, c.rpc.CreateTicket)
	if err != nil {
		return Ticket{}, err
	}
	return Ticket{Text: res.GetTicket(), ExpireTime: timeOf(res.GetExpireTime())}, nil
}
