package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/observe"
	"key-value/internal/server/memlimit"
	"key-value/kvservice/store/memory/wal"
)

// plan is the settings of a server that is to run on this machine, and what else is known about it.
type plan struct {
	settings

	grace        time.Duration     // how long the process manager waits before it kills; 0: not known
	kvserviceEnv string            // file with the variables of a gateway's kvservice; "" for none
	kvservice    map[string]string // what that file has; nil without one
	collectors   []string          // URLs that traces and metrics are sent to
}

// settingChecks has a row for each check of settings. They read files and limits of this machine, and change nothing.
var settingChecks = []checkup[*plan]{
	{"memory-limit", (*plan).memoryLimit},
	{"max-memory", (*plan).maxMemory},
	{"grace-period", (*plan).gracePeriod},
	{"durability", (*plan).durability},
	{"data-dir-kind", (*plan).dataDirKind},
	{"data-dir-space", (*plan).dataDirSpace},
	{"data-dir-clock", (*plan).dataDirClock},
	{"open-files", (*plan).openFiles},
	{"keys-file", (*plan).keysFile},
	{"tls-certificate", func(p *plan) *finding { return pairValidity(p.pair) }},
	{"service-certificate", (*plan).serviceCertificate},
	{"value-size", (*plan).sameValueSize},
	{"collector", (*plan).collector},
}

func (p *plan) doctor(cmd *cobra.Command, o *output) error {
	if err := p.checkValues(); err != nil {
		return usageError{err}
	}
	if p.kvserviceEnv != "" {
		variables, err := readVariablesFile(p.kvserviceEnv)
		if err != nil {
			return fmt.Errorf("--kvservice-env: %w", err)
		}
		p.kvservice = variables
	}
	p.divide(cmd, p.engine)
	otlp, err := p.otlp(cmd)
	if err != nil {
		return usageError{err}
	}
	p.collectors = otlp.Endpoints()
	return report(cmd.OutOrStdout(), o, examine(settingChecks, p))
}

// readVariablesFile reads lines of the form NAME=VALUE, as files for Docker and systemd have them.
func readVariablesFile(path string) (map[string]string, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	variables := map[string]string{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, value, found := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if found && !strings.HasPrefix(name, "#") {
			variables[name] = strings.Trim(value, `"'`)
		}
	}
	return variables, lines.Err()
}

func (p *plan) holdsEntries() bool { return p.engine != nil && p.engine.store == "memory" }

// durable reports whether the server keeps entries in a directory.
func (p *plan) durable() bool { return p.holdsEntries() && p.engine.dataDir != "" }

func (p *plan) memoryLimit() *finding {
	there, source := memlimit.Find()
	limit := int64(p.memory.limit)
	switch {
	case there == 0 || limit == 0:
		return nil
	case limit > there:
		return fail("lower --memory-limit, or leave it out: then it follows from what there is",
			"--memory-limit is %s, but the %s allows %s: the kernel kills the process first", inMiB(limit), source, inMiB(there))
	}
	return ok("the process may use %s of the %s that the %s allows", inMiB(limit), inMiB(there), source)
}

func (p *plan) maxMemory() *finding {
	const do = "leave --max-memory out, which makes it half of what the process may use, or set it to that"
	limit, entries := int64(p.memory.limit), int64(p.engineMemory())
	switch {
	case !p.holdsEntries() || limit == 0:
		return nil
	case entries == 0:
		return fail(do, "--max-memory is 0: entries grow until the process is killed at %s", inMiB(limit))
	case entries > limit/3*2:
		return warn(do, "--max-memory is %s of the %s that the process may use: too little is left for calls and garbage", inMiB(entries), inMiB(limit))
	}
	return ok("entries may take %s of the %s that the process may use", inMiB(entries), inMiB(limit))
}

// engineMemory returns the limit for entries, 0 for none.
func (p *plan) engineMemory() byteSize {
	if p.engine == nil {
		return 0
	}
	return p.engine.maxMemory
}

func (p *plan) gracePeriod() *finding {
	stop, flush := p.delay+p.drain, time.Duration(0)
	if len(p.collectors) != 0 {
		flush = observe.FlushTimeout
	}
	switch {
	case p.grace == 0:
		return nil
	case stop >= p.grace:
		return fail("lower --drain, or raise the grace period over "+(stop+flush).String(),
			"--drain-delay and --drain take up to %v, but the process is killed after %v: calls are cut off", stop, p.grace)
	case stop+flush > p.grace:
		return warn("lower --drain, or raise the grace period to "+(stop+flush).String(),
			"the server stops within %v, but the process is killed after %v: the last traces and metrics, which may take %v, can be lost", stop, p.grace, flush)
	}
	return ok("the server stops within %v, before the grace period of %v ends", stop+flush, p.grace)
}

func (p *plan) durability() *finding {
	switch {
	case p.engine == nil:
		return nil
	case !p.holdsEntries():
		scheme, _, _ := strings.Cut(p.engine.store, "://")
		if strings.HasPrefix(scheme, "redis") {
			return redisDurability()
		}
		return ok("the store is %s, which has every acknowledged write on the disks of most members", scheme)
	case p.engine.dataDir == "":
		return warn("set --data-dir to a directory on a disk, unless the store is a cache", "without --data-dir, all entries are lost when the process ends")
	case p.engine.fsync.bound == wal.Always:
		return ok("no acknowledged write is lost, even in a power cut")
	case p.engine.fsync.bound == wal.Never:
		return warn("set --fsync always, or a bound such as 1s", "--fsync never: a power cut takes what the kernel has not written")
	}
	return warn("set --fsync always if callers cannot write again", "--fsync %v: a power cut takes up to the last %v of acknowledged writes", &p.engine.fsync, &p.engine.fsync)
}

// redisDurability is what callers of a store in Redis may not expect.
func redisDurability() *finding {
	return warn("use etcd or --data-dir if no write may be lost; see docs/scaling.md",
		"a failover of Redis takes acknowledged writes that the new primary has not received")
}

// existing returns the nearest directory above the data directory, or that itself, that exists.
func (p *plan) existing() string {
	dir := p.engine.dataDir
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

func (p *plan) dataDirKind() *finding {
	if !p.durable() {
		return nil
	}
	switch dir, kind := p.engine.dataDir, volatileKind(p.existing()); kind {
	case "":
		return ok("%s is not on a file system that is lost with the machine or container", dir)
	case "overlay":
		return warn("mount a volume there", "%s is on overlay, the layer of a container: its files are lost with the container", dir)
	default:
		return fail("put --data-dir on a disk", "%s is on %s, which is memory: its files are lost when the machine stops", dir, kind)
	}
}

func (p *plan) dataDirSpace() *finding {
	if !p.durable() {
		return nil
	}
	const do = "make room, or move --data-dir to a larger disk"
	dir, free, taken := p.engine.dataDir, freeBytes(p.existing()), int64(0)
	if free < 0 {
		return nil
	}
	p.files(func(info fs.FileInfo) { taken += info.Size() })
	switch limit := int64(p.engine.maxMemory); {
	case free <= taken:
		return fail(do, "%s takes %s and its disk has %s free: the next snapshot may not fit, and then writes fail",
			dir, readableBytes(taken), readableBytes(free))
	case free < limit:
		return warn(do, "the disk of %s has %s free, less than the %s that entries may take", dir, readableBytes(free), readableBytes(limit))
	}
	return ok("the disk of %s has %s free", dir, readableBytes(free))
}

func (p *plan) dataDirClock() *finding {
	if !p.durable() {
		return nil
	}
	var last time.Time
	p.files(func(info fs.FileInfo) {
		if t := info.ModTime(); t.After(last) {
			last = t
		}
	})
	switch behind := time.Until(last); {
	case last.IsZero():
		return nil
	case behind > clockTolerance:
		return fail("set the clock, by NTP, before the server starts", "the clock is %v behind the last write in %s: entries live longer, and revisions may go back",
			behind.Round(time.Second), p.engine.dataDir)
	}
	return ok("the clock is after the last write in %s", p.engine.dataDir)
}

// files calls see with each file in the data directory. What cannot be read is left out.
func (p *plan) files(see func(fs.FileInfo)) {
	_ = filepath.WalkDir(p.engine.dataDir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // a directory that is not there has no files
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			see(info)
		}
		return nil
	})
}

// filesBesides is how many files a server has open besides its connections: its log, and connections to other services.
const filesBesides = 64

func (p *plan) openFiles() *finding {
	const do = "raise the limit (ulimit -n, LimitNOFILE=), or lower --max-connections"
	files := openFiles()
	switch {
	case files == 0:
		return nil
	case p.conns == 0:
		return warn(do, "--max-connections is 0, without a limit, but the process may open only %d files", files)
	case files < int64(p.conns)+filesBesides:
		return fail(do, "the process may open %d files, but --max-connections is %d, and %d more are needed", files, p.conns, filesBesides)
	}
	return ok("the process may open %d files, enough for %d connections", files, p.conns)
}

func (p *plan) keysFile() *finding {
	if p.gateway == nil || p.gateway.file == "" {
		return nil
	}
	if _, err := auth.ReadFile(p.gateway.file); err != nil {
		return fail("mend the file, which kv keys writes: the server does not start with it", "--api-keys-file: %v", err)
	}
	return ok("other users have no access to the keys file %s", p.gateway.file)
}

func (p *plan) serviceCertificate() *finding {
	if p.hop == nil {
		return nil
	}
	return pairValidity(p.hop.trust.pair)
}

// pairValidity returns what is to be said of the certificate in the files of a pair, or nil if its flags are not set.
func pairValidity(pair pairFlags) *finding {
	opened, err := pair.open()
	switch {
	case err != nil:
		return fail("mend the files: the server does not start with them", "%v", err)
	case opened == nil:
		return nil
	}
	return validity(fmt.Sprintf("the certificate of --%s", pair.certName), opened.Load().Leaf, time.Now())
}

// sameValueSize compares the limit for values with that of the kvservice, which answers with errors if its own is lower.
func (p *plan) sameValueSize() *finding {
	if p.kvservice == nil {
		return nil
	}
	other := contract.DefaultValueBytes
	if text := p.kvservice["KV_MAX_VALUE_BYTES"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fail("set it to a number of bytes", "KV_MAX_VALUE_BYTES of the kvservice is %q", text)
		}
		other = n
	}
	if other != p.valueSize {
		return fail("set --max-value-bytes to the same on both", "the gateway takes values of up to %d bytes, its kvservice of up to %d", p.valueSize, other)
	}
	return ok("gateway and kvservice both take values of up to %d bytes", other)
}

// dialTimeout limits how long connecting to a collector may take.
const dialTimeout = 2 * time.Second

// collector connects to the collectors that the variables of OpenTelemetry name, and sends nothing.
func (p *plan) collector() *finding {
	if len(p.collectors) == 0 {
		return nil
	}
	var shown []string
	for _, collector := range p.collectors {
		u, err := url.Parse(collector)
		if err != nil {
			return nil // observe has checked it
		}
		address := u.Redacted()
		port := cmp.Or(u.Port(), map[string]string{"https": "443"}[u.Scheme], "80")
		if port == "4317" {
			return warn("use the port for OTLP over HTTP, which is 4318 in most collectors",
				"%s has the usual port of OTLP over gRPC: traces and metrics are sent over HTTP", address)
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(u.Hostname(), port), dialTimeout)
		if err != nil {
			return warn("start the collector, or correct the variable: calls are served without it, but traces and metrics are lost",
				"%s cannot be reached: %v", address, err)
		}
		_ = conn.Close()
		shown = append(shown, address)
	}
	return ok("the collector accepts connections at %s", strings.Join(shown, " and "))
}
