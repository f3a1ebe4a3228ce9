package etcd

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"

	"key-value/internal/follow/tlsfiles"
)

// Options configure an engine. Only Addresses is required.
type Options struct {
	Addresses []string // host:port of the members
	TLS       bool
	// Authorities are the certificate authorities of the members. Nil: the system's.
	Authorities *tlsfiles.Authorities
	Username    string
	Password    string
	// Prefix begins all keys that the engine uses in etcd, with a slash after it. Empty: DefaultPrefix.
	Prefix string
	// HistoryBytes is about how many bytes of changes are kept for watches to resume from. The engine compacts etcd
	// accordingly. Zero: 64 MiB.
	HistoryBytes int64
	// MaxValueBytes is the longest value that a write may have, which etcd must accept in one request. Zero: 1 MiB.
	MaxValueBytes int
	// AnyVersion accepts versions of etcd that are known to lose or corrupt data.
	AnyVersion bool
}

// DefaultPrefix is the prefix of all keys in etcd, unless another is configured.
const DefaultPrefix = "kv"

const (
	defaultHistoryBytes = 64 << 20
	defaultValueBytes   = 1 << 20
)

// ParseURL parses the address of a store: etcd://host:port,host:port,… or etcds://… for TLS, with all members of the
// cluster or some. The path is the prefix of all keys in etcd, as in etcd://host:port/kv. The query ?any-version=true accepts
// a version of etcd that the engine would refuse. User name and password are not part of the URL, so that it can be shown.
func ParseURL(s string) (Options, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "etcd" && scheme != "etcds" {
		return Options{}, errors.New("want etcd://host:port,host:port,… or etcds:// for TLS")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, prefix, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") {
		return Options{}, errors.New("remove the user name and password: set KV_ETCD_USERNAME and KV_ETCD_PASSWORD in the environment")
	}
	o := Options{TLS: scheme == "etcds", Prefix: strings.TrimSuffix(prefix, "/")}
	for host := range strings.SplitSeq(hosts, ",") {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return Options{}, fmt.Errorf("invalid address %q: want host:port", host)
		}
		o.Addresses = append(o.Addresses, host)
	}
	if len(o.Prefix) > maxPrefix || strings.ContainsFunc(o.Prefix, unicode.IsControl) {
		return Options{}, fmt.Errorf("invalid prefix %q: want at most %d bytes without control characters", o.Prefix, maxPrefix)
	}
	return o, o.parseQuery(query)
}

// maxPrefix is how long a prefix may be, in bytes.
const maxPrefix = 256

func (o *Options) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for name, all := range values {
		if name != "any-version" || all[0] != "true" {
			return fmt.Errorf("unknown parameter %s=%s: want any-version=true", name, all[0])
		}
		o.AnyVersion = true
	}
	return nil
}
