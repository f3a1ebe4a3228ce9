package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	neturl "net/url"
	"time"

	"github.com/spf13/cobra"

	"key-value/client"
)

// clockTolerance is by how much clocks may differ without a finding.
const clockTolerance = 2 * time.Second

// visit is what a running store has said. What it was not asked, or did not answer, is nil.
type visit struct {
	url            *neturl.URL
	withKey        bool // an API key is sent
	peer           *x509.Certificate
	probe          *http.Response // of /readyz
	sent, received time.Time      // when that was asked and answered
	caller         *client.Caller
	stats          *client.Stats
}

// storeChecks has a row for each check of a running store.
var storeChecks = []checkup[*visit]{
	{"ready", (*visit).ready},
	{"encryption", (*visit).encryption},
	{"certificate", (*visit).certificate},
	{"clock", (*visit).clock},
	{"api-key", (*visit).apiKey},
	{"memory", (*visit).memory},
	{"durability", (*visit).durability},
}

// doctor reports what it finds, even if the store answers only a part of the questions.
func (c *connection) doctor(cmd *cobra.Command, o *output) error {
	v, failure := c.visit(cmd.Context())
	if v == nil {
		return failure
	}
	err := report(cmd.OutOrStdout(), o, examine(storeChecks, v))
	if failure != nil {
		return failure
	}
	return err
}

// visit asks the store. If it does not answer, visit returns the error with what is known so far.
func (c *connection) visit(ctx context.Context) (*visit, error) {
	ctx, cancel, kv, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	v := &visit{withKey: c.apiKey != ""}
	if v.url, err = serviceURL(c.url); err != nil {
		return nil, err
	}
	v.peer = c.peer(ctx, v.url)
	v.sent = time.Now()
	probe, unanswered := c.probe(ctx)
	v.probe, v.received = probe, time.Now()
	caller, err := kv.Caller(ctx)
	if err := cmp.Or(err, unanswered); err != nil { // that of a call says more
		return v, err
	}
	v.caller = &caller
	stats, err := kv.Stats(ctx)
	if err != nil {
		return v, err
	}
	v.stats = &stats
	return v, nil
}

// peer returns the certificate of the server, valid or not. It sends nothing but the handshake. It returns nil if the server is
// reached without TLS or does not answer; the calls that follow say why.
func (c *connection) peer(ctx context.Context, u *neturl.URL) *x509.Certificate {
	if u.Scheme != "https" {
		return nil
	}
	config, err := c.trust.open(u)
	if err != nil {
		return nil
	}
	config = config.Clone()
	config.InsecureSkipVerify, config.VerifyConnection = true, nil // the calls that follow verify it
	port := u.Port()
	if port == "" {
		port = "443"
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

func (v *visit) ready() *finding {
	switch {
	case v.probe == nil:
		return nil
	case v.probe.StatusCode != http.StatusOK:
		return fail("see its log; a gateway is ready once its kvservice is", "%s is not ready: /readyz answers %s", v.url, v.probe.Status)
	}
	return ok("%s is ready", v.url)
}

func (v *visit) encryption() *finding {
	ip := net.ParseIP(v.url.Hostname())
	switch local := v.url.Hostname() == "localhost" || ip != nil && ip.IsLoopback(); {
	case v.url.Scheme == "https" || local || !v.withKey:
		return nil
	}
	return warn("set --tls-cert and --tls-key on the server, or use a proxy with TLS, and use https://",
		"the API key and all values go to %s without encryption", v.url.Host)
}

func (v *visit) certificate() *finding {
	if v.peer == nil {
		return nil
	}
	return validity("the certificate of "+v.url.Host, v.peer, time.Now())
}

// clock compares this clock with the header Date, which has whole seconds.
func (v *visit) clock() *finding {
	if v.probe == nil {
		return nil
	}
	date, err := http.ParseTime(v.probe.Header.Get("Date"))
	if err != nil {
		return nil
	}
	const do = "let NTP set the clocks of both: keys and certificates expire by them"
	behind, ahead := v.sent.Sub(date.Add(time.Second)), date.Sub(v.received)
	switch {
	case behind > clockTolerance:
		return warn(do, "the clock of the store is at least %v behind the clock here", behind.Round(time.Second))
	case ahead > clockTolerance:
		return warn(do, "the clock of the store is at least %v ahead of the clock here", ahead.Round(time.Second))
	}
	return ok("the clock of the store agrees with the clock here")
}

func (v *visit) apiKey() *finding {
	switch {
	case v.caller == nil:
		return nil
	case v.caller.ExpireTime.IsZero():
		return ok("the API key %s does not expire", v.caller.ID)
	}
	until, left := v.caller.ExpireTime.UTC().Format(time.RFC3339), time.Until(v.caller.ExpireTime)
	if left < 14*day {
		return warn("create another one with kv keys rotate before that", "the API key %s expires on %s, in %v", v.caller.ID, until, left.Round(time.Minute))
	}
	return ok("the API key %s expires on %s", v.caller.ID, until)
}

func (v *visit) memory() *finding {
	if v.stats == nil {
		return nil
	}
	used, limit := v.stats.MemoryBytes, v.stats.MaxMemoryBytes
	switch {
	case limit == 0:
		return warn("set --max-memory, Redis's maxmemory or etcd's quota", "entries take %s, without a limit", readableBytes(used))
	case used > limit/10*9:
		return warn("delete entries, shorten TTLs, raise the limit, or set --on-full evict",
			"entries take %s of %s: the store is nearly full", readableBytes(used), readableBytes(limit))
	}
	return ok("entries take %s of %s", readableBytes(used), readableBytes(limit))
}

func (v *visit) durability() *finding {
	if v.stats == nil {
		return nil
	}
	switch g := v.stats.Guarantees; {
	case !g.Durable:
		return warn("set --data-dir, or use etcd, unless the store is a cache", "engine %s: %s", g.Engine, g.Durability)
	case g.Engine == "redis" && !g.LinearizableAcrossFailover:
		return redisDurability()
	default:
		return ok("engine %s, after a crash: %s", g.Engine, g.Durability)
	}
}
