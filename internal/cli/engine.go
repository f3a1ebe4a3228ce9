package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/follow/tlsfiles"
	"key-value/kvservice"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/redis"
)

// engineFlags are the flags for the storage engine and its limits.
type engineFlags struct {
	store      string
	storeCA    string   // file with the authorities of a store's nodes; "" for the system's
	maxMemory  byteSize // limit for the entries; 0 for none
	onFull     string   // reject or evict
	history    byteSize // size of the change history for watches; 0 for the engine's default
	oldHistory byteSize // its size while it has old changes; 0 for history
	dataDir    string   // the directory that entries outlive the process in; "" for none
	fsync      fsyncMode
	keyStats   bool // whether the service finds out which keys are hot and which calls are slow
}

func (e *engineFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.store, "store", "memory", "storage engine: memory, redis://host:port,… or etcd://host:port,… (TLS: rediss, etcds)")
	f.StringVar(&e.storeCA, "store-ca", "", "PEM `file` with trusted authorities for rediss:// and etcds://; empty: the system's")
	f.Var(&e.maxMemory, "max-memory", "memory limit for entries, such as 512MiB; default: half of --memory-limit; 0: no limit")
	f.StringVar(&e.onFull, "on-full", "reject", "at --max-memory: reject writes, or evict entries that were not used recently")
	f.StringVar(&e.dataDir, "data-dir", "", "`directory` for a log and snapshots, with which entries survive restarts; empty: none")
	f.Var(&e.fsync, "fsync", "when writes are on disk: always before they are acknowledged, at most 1s later, or never")
	f.BoolVar(&e.keyStats, "key-stats", true, "sample which keys are hot, prefixes big and calls slow, for callers with all rights")
	f.Var(&e.history, "watch-history", "memory for changes that watches resume from, such as 64MiB; its default is described above")
}

func (e *engineFlags) open(ctx context.Context, s *daemon) (store.Engine, error) {
	if e.store != "memory" {
		return e.openRemote(ctx, s)
	}
	switch {
	case e.storeCA != "":
		return nil, usageError{errStoreCA}
	case e.fsync.given && e.dataDir == "":
		return nil, usageError{errors.New("--fsync requires --data-dir")}
	}
	onFull, ok := map[string]memory.OnFull{"reject": memory.Reject, "evict": memory.Evict}[e.onFull]
	if !ok {
		return nil, usageError{fmt.Errorf("invalid --on-full %q: want reject or evict", e.onFull)}
	}
	config := memory.Options{
		MaxMemory: int64(e.maxMemory), OnFull: onFull, HistoryBytes: int64(e.history), OldHistoryBytes: int64(e.oldHistory),
	}
	if e.dataDir != "" {
		return e.load(ctx, s, config)
	}
	engine := memory.New(config)
	s.memory.held = engine.HeldBytes
	return engine, nil
}

// backends open the stores in other processes, by the schemes of their addresses.
var backends = map[string]func(*engineFlags, context.Context, *daemon) (store.Engine, error){
	"redis": (*engineFlags).openRedis, "rediss": (*engineFlags).openRedis,
	"etcd": (*engineFlags).openEtcd, "etcds": (*engineFlags).openEtcd,
}

// openRemote connects to the nodes that --store names.
func (e *engineFlags) openRemote(ctx context.Context, s *daemon) (store.Engine, error) {
	scheme, _, _ := strings.Cut(e.store, "://")
	open := backends[scheme]
	switch {
	case open == nil:
		return nil, usageError{errors.New("invalid --store: want memory, redis://host:port,… or etcd://host:port,…, or rediss:// or etcds:// for TLS")}
	case e.dataDir != "" || e.fsync.given:
		return nil, usageError{errors.New(
			"--data-dir and --fsync require --store memory; Redis has appendonly and appendfsync instead, and etcd always writes to disk")}
	case e.maxMemory != 0 || e.onFull != "reject":
		return nil, usageError{errors.New(
			"--max-memory and --on-full require --store memory; Redis has maxmemory instead, and etcd has --quota-backend-bytes")}
	}
	engine, err := open(e, ctx, s)
	if _, misused := errors.AsType[usageError](err); err != nil && !misused {
		err = fmt.Errorf("--store: %v", err) // unwrapped, because the hint of a client command would be wrong here
	}
	return engine, err
}

// errAddress is the error of an address that could not be parsed. It does not quote the address, which may hold a password.
func errAddress(err error) error { return usageError{fmt.Errorf("invalid --store: %w", err)} }

func (e *engineFlags) openRedis(ctx context.Context, s *daemon) (store.Engine, error) {
	options, err := redis.ParseURL(e.store)
	if err != nil {
		return nil, errAddress(err)
	}
	options.Username, options.Password = s.getenv("KV_REDIS_USERNAME"), s.getenv("KV_REDIS_PASSWORD")
	options.HistoryBytes = int64(e.history)
	if options.Authorities, err = e.openStoreCA(s, options.TLS); err != nil {
		return nil, err
	}
	return redis.Open(ctx, options)
}

func (e *engineFlags) openEtcd(ctx context.Context, s *daemon) (store.Engine, error) {
	options, err := etcd.ParseURL(e.store)
	if err != nil {
		return nil, errAddress(err)
	}
	options.Username, options.Password = s.getenv("KV_ETCD_USERNAME"), s.getenv("KV_ETCD_PASSWORD")
	options.HistoryBytes, options.MaxValueBytes = int64(e.history), s.valueSize
	if options.Authorities, err = e.openStoreCA(s, options.TLS); err != nil {
		return nil, err
	}
	return etcd.Open(ctx, options)
}

var errStoreCA = errors.New("--store-ca requires a --store at rediss://… or etcds://…")

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
		return nil, usageError{fmt.Errorf("--store-ca: %w", err)}
	}
	s.follow(authorities)
	return &authorities, nil
}

// largePerProcessorRemote is the number of concurrent large calls per processor if the data is in Redis or etcd.
const largePerProcessorRemote = 16

// limiter returns the limiter for calls of the engine by callers with keys. In memory, a large call is pure CPU work: more
// of them than processors would only slow all of them down. In Redis or etcd, they wait for nodes most of the time.
func (e *engineFlags) limiter(s *daemon, keys *auth.Keys) *admission.Limiter {
	large := runtime.GOMAXPROCS(0)
	if e.store != "memory" {
		large *= largePerProcessorRemote
	}
	return s.limiter(keys, large)
}

// closing closes service and its engine, and returns the engine's error joined with err, that of the server that used them.
func closing(service *kvservice.Service, engine store.Engine, err error) error {
	service.Close()
	return errors.Join(err, engine.Close())
}
