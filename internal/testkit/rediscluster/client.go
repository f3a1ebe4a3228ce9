package rediscluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/redis/rueidis"
)

// answerPatience is how long a node may take to answer a command.
const answerPatience = 2 * time.Second

// client sends commands to single nodes.
type client struct{ options rueidis.ClientOption }

func newClient(config Config) (client, error) {
	c := client{rueidis.ClientOption{
		Password:          config.Password,
		Dialer:            net.Dialer{Timeout: answerPatience},
		ConnWriteTimeout:  answerPatience,
		ForceSingleClient: true, // ask this node, not the cluster
		DisableCache:      true,
		DisableRetry:      true,
		AlwaysRESP2:       true, // RESP3 puts a format before a verbatim text
	}}
	if config.TLS == nil {
		return c, nil
	}
	authority, err := os.ReadFile(config.TLS.CA)
	if err != nil {
		return client{}, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return client{}, fmt.Errorf("no certificate in %s", config.TLS.CA)
	}
	c.options.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	return c, nil
}

func (c client) do(ctx context.Context, addr string, args ...string) (rueidis.RedisMessage, error) {
	options := c.options
	options.InitAddress = []string{addr}
	conn, err := rueidis.NewClient(options)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	defer conn.Close()
	return conn.Do(ctx, conn.B().Arbitrary(args...).Build()).ToMessage()
}

// until calls try at the given interval until it succeeds or ctx is done. It then returns the last error.
func until(ctx context.Context, every time.Duration, try func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
