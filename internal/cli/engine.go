package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"key-value/internal/admission"
	"key-value/internal/follow/tlsfiles"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/redis"
)

// engineFlags choose the storage engine and its bounds.
type engineFlags struct {
	store     string
	storeCA   string   // file with the authorities of its nodes
	maxMemory byteSize // what the entries may take
	onFull    string   // reject or evict
	history   byteSize // how much of the latest changes is kept for watches
	watches   int      // how many watches may be open
}

func (e *engineFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.store, "store", "memory", "where the data is kept: memory, or redis://host:port,host:port… (rediss:// with TLS)")
	f.StringVar(&e.storeCA, "store-ca", "", "file with the authorities of the certificates of rediss:// nodes, in PEM; by default those of the system")
	f.Var(&e.maxMemory, "max-memory", "what the entries may take in memory, such as 512MiB or 2GiB; 0: no limit")
	f.StringVar(&e.onFull, "on-full", "reject", "what a write does at --max-memory: reject it, or evict entries not used for long")
	f.Var(&e.history, "watch-history", "how much of the latest changes is kept for watches to resume; 0: 8MiB, or an eighth of --max-memory; 64MiB in Redis")
	f.IntVar(&e.watches, "max-watches", 20_000, "watches that may be open; further ones are refused as OVERLOADED; 0: no limit")
}

func (e *engineFlags) open(ctx context.Context, s *daemon) (store.Engine, error) {
	if e.watches < 0 {
		return nil, usageError{fmt.Errorf("--max-watches %d: use 0 for no limit, or more", e.watches)}
	}
	if e.store != "memory" {
		return e.openRedis(ctx, s)
	}
	if e.storeCA != "" {
		return nil, usageError{errStoreCA}
	}
	onFull, ok := map[string]memory.OnFull{"reject": memory.Reject, "evict": memory.Evict}[e.onFull]
	if !ok {
		return nil, usageError{fmt.Errorf("--on-full %q: use reject or evict", e.onFull)}
	}
	return memory.New(memory.Options{
		MaxMemory: int64(e.maxMemory), OnFull: onFull, HistoryBytes: int64(e.history),
	}), nil
}

// openRedis connects to the nodes that --store names.
func (e *engineFlags) openRedis(ctx context.Context, s *daemon) (store.Engine, error) {
	options, err := redis.ParseURL(e.store)
	if err != nil {
		return nil, usageError{fmt.Errorf("--store %q: %w", e.store, err)}
	}
	if e.maxMemory != 0 || e.onFull != "reject" {
		return nil, usageError{errors.New("--max-memory and --on-full are for the store memory; Redis has maxmemory")}
	}
	options.Username, options.Password = s.getenv("KV_REDIS_USERNAME"), s.getenv("KV_REDIS_PASSWORD")
	options.HistoryBytes = int64(e.history)
	if options.Authorities, err = e.openStoreCA(s, options.TLS); err != nil {
		return nil, err
	}
	engine, err := redis.Open(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("--store: %v", err) // advice for the store's own address would be wrong here
	}
	return engine, nil
}

var errStoreCA = errors.New("--store-ca is for a --store at rediss://…")

// openStoreCA reads --store-ca, if it is set.
func (e *engineFlags) openStoreCA(s *daemon, withTLS bool) (*tlsfiles.Authorities, error) {
	switch {
	case e.storeCA == "":
		return nil, nil
	case !withTLS:
		return nil, usageError{errStoreCA}
	}
	authorities, err := tlsfiles.OpenAuthorities(e.storeCA)
	if err != nil {
		return nil, fmt.Errorf("--store-ca: %w", err)
	}
	s.follow(authorities)
	return &authorities, nil
}

// remoteTurns is how many large calls there may be for each processor if the data is elsewhere.
const remoteTurns = 16

// limiter bounds what the engine is asked for at a time. In memory, large calls are work for the processor alone, so more
// turns than there are processors would only make all of them take longer. Elsewhere, they wait for the nodes.
func (e *engineFlags) limiter(calls int) *admission.Limiter {
	turns := runtime.GOMAXPROCS(0)
	if e.store != "memory" {
		turns *= remoteTurns
	}
	return admission.New(admission.Config{Calls: calls, Watches: e.watches, Large: turns})
}

// closing closes engine when serving is over, and returns both their errors.
func closing(engine store.Engine, err error) error { return errors.Join(err, engine.Close()) }
