package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
)

// keyFlags say which API keys a gateway lets in.
type keyFlags struct {
	file     string // a keys file; empty: none
	failures int    // the wrong keys that one address may show in a second; 0: any number
}

func (f *keyFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "api-keys-file", "",
		"file of API keys, as kv keys writes it; read again when it changes; empty: KV_API_KEY alone")
	cmd.Flags().IntVar(&f.failures, "auth-failures", 100,
		"wrong API keys that one address may show in a second before it is told to wait; 0: any number")
}

// open returns the keys, which are secret, unless it is empty, and those of the file. Stop ends the goroutine that
// follows the file.
func (f *keyFlags) open(s *daemon, secret string) (keys *auth.Keys, stop func(), err error) {
	if f.failures < 0 {
		return nil, nil, usageError{fmt.Errorf("--auth-failures %d: use 1 or more, or 0 for any number", f.failures)}
	}
	if secret == "" && f.file == "" {
		return nil, nil, usageError{errors.New(
			"neither KV_API_KEY nor --api-keys-file is set: a gateway that nobody can use does not start")}
	}
	keys, err = auth.New(auth.Config{Secret: secret, File: f.file, FailuresPerSecond: f.failures, Log: s.log})
	if err != nil {
		return nil, nil, err
	}
	if s.metrics != nil {
		s.metrics.ForKeys(keys)
	}
	if f.file == "" {
		return keys, func() {}, nil
	}
	return keys, keys.Follow(), nil
}
