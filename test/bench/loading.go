package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
	"key-value/test/record"
)

const (
	dataBytes  = "keys and values"
	onDisk     = "on disk, median"
	onDiskMost = "on disk, most"
)

// diskUse measures how much of the disk a store uses while its entries are overwritten, again and again, as fast as it can.
func (b *bench) diskUse(ctx context.Context) ([]outcome, error) {
	if b.before != "" {
		return nil, nil
	}
	var all []outcome
	for _, length := range []int{dataset.ValueBytes, 1 << 10} {
		setting := diskSetting(b.logged, length)
		if !b.wants(diskUse, setting) {
			continue
		}
		b.announce(diskUse, setting)
		data, medians, most, err := b.usage(ctx, length)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		o := outcome{Scenario: diskUse, Setting: setting, Unit: "MiB"}
		o.add(dataBytes, data, err)
		o.add(onDisk, medians, err)
		o.add(onDiskMost, most, err)
		all = append(all, o)
	}
	return all, nil
}

// diskSetting says how many entries are overwritten, with values of how many bytes.
func diskSetting(entries, valueBytes int) string {
	return fmt.Sprintf("%s entries of %d bytes", record.Thousands(overwritten(entries, valueBytes)), valueBytes)
}

// overwritten returns how many entries are overwritten: fewer if they are long.
func overwritten(entries, valueBytes int) int {
	if valueBytes > dataset.ValueBytes {
		return entries / 4
	}
	return entries
}

// usage overwrites all entries once for each round, and returns the bytes of their keys and values, and of the disk that the
// store uses: the median, and the most. All are in MiB.
func (b *bench) usage(ctx context.Context, valueBytes int) (data, medians, most []float64, err error) {
	dir, err := os.MkdirTemp(b.servers.dir, "log")
	if err != nil {
		return nil, nil, nil, err
	}
	defer os.RemoveAll(dir)
	entries := overwritten(b.logged, valueBytes)
	value := func(i int) string { return fmt.Sprintf("%0*d", valueBytes, i) }
	server, err := b.servers.startStore(ctx, store, 0, "serve", "--data-dir", dir, "--fsync", everySecond)
	if err != nil {
		return nil, nil, nil, err
	}
	defer stop(server)
	fill := func() error { return fillValues(ctx, server.Addr, entries, value) }
	if err := fill(); err != nil {
		return nil, nil, nil, err
	}
	for range b.rounds {
		done := make(chan error, 1)
		go func() { done <- fill() }()
		used, err := sampled(func() (float64, error) { return usedBytes(dir) }, done)
		if err != nil {
			return nil, nil, nil, err
		}
		data = append(data, float64(entries*(len(dataset.Key(0))+valueBytes))/(1<<20))
		medians, most = append(medians, record.Median(used)/(1<<20)), append(most, slices.Max(used)/(1<<20))
	}
	return data, medians, most, nil
}

// sampleEvery is the time between two looks at how much of the disk is used.
const sampleEvery = 20 * time.Millisecond

// sampled returns samples until done has a value. It fails with that.
func sampled(sample func() (float64, error), done <-chan error) ([]float64, error) {
	var all []float64
	for {
		value, err := sample()
		if err != nil {
			return nil, err
		}
		all = append(all, value)
		select {
		case err := <-done:
			return all, err
		case <-time.After(sampleEvery):
		}
	}
}

// usedBytes returns how much of the disk the files of a directory use, with what is allocated ahead.
func usedBytes(dir string) (float64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	const block = 512 // whatever the file system's is
	used := int64(0)
	for _, f := range files {
		info, err := os.Stat(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // it has just been removed
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			used += s.Blocks * block
		}
	}
	return float64(used), nil
}

// loads measures how long a store with many entries takes from its start until it answers.
func (b *bench) loads(ctx context.Context) ([]outcome, error) {
	setting := record.Thousands(b.loaded) + " entries"
	if b.before != "" || !b.wants(loadTime, setting) {
		return nil, nil
	}
	b.announce(loadTime, setting)
	o := outcome{Scenario: loadTime, Setting: setting, Unit: "ms"}
	for _, c := range []struct {
		name string
		load func(ctx context.Context, dir string) ([]float64, error)
	}{{oneProcess, b.loadStore}, {redis, b.loadRedis}} {
		dir, err := os.MkdirTemp(b.servers.dir, "load")
		if err != nil {
			return nil, err
		}
		times, err := c.load(ctx, dir)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		o.add(c.name, times, errors.Join(err, os.RemoveAll(dir)))
	}
	return []outcome{o}, nil
}

// loadStore fills a server of ours and starts it again.
func (b *bench) loadStore(ctx context.Context, dir string) ([]float64, error) {
	args := []string{"serve", "--data-dir", dir, "--fsync", everySecond}
	server, err := b.servers.startStore(ctx, store, b.loaded, args...)
	if err != nil {
		return nil, err
	}
	return restarted(server, func() (*proc.Process, error) {
		next, err := b.servers.startProgram(ctx, store, append(args, "--listen", "127.0.0.1:0")...)
		if err != nil {
			return nil, err
		}
		return next, next.WaitReady(ctx, func(ctx context.Context) error {
			c, err := dial(ctx, "http://"+next.Addr)
			if err != nil {
				return err
			}
			defer c.Close()
			_, _, err = c.exchange(ours.get(dataset.Key(b.loaded - 1)))
			return err
		})
	})
}

// loadRedis fills redis-server and starts it again.
func (b *bench) loadRedis(ctx context.Context, dir string) ([]float64, error) {
	args := []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", redisMode(everySecond)}
	server, err := b.servers.startRedis(ctx, b.loaded, args...)
	if err != nil {
		return nil, err
	}
	return restarted(server, func() (*proc.Process, error) {
		next, err := b.servers.startRedis(ctx, 0, args...)
		if err != nil {
			return nil, err
		}
		return next, next.WaitReady(ctx, func(ctx context.Context) error { return pingRedis(ctx, next.Addr) })
	})
}

// loadPatience is how long a server with many entries may take to stop.
const loadPatience = time.Minute

// restarted stops a server and returns how long the next one takes to start, in milliseconds. It is measured once, because
// it takes long.
func restarted(server *proc.Process, start func() (*proc.Process, error)) ([]float64, error) {
	if err := server.Stop(loadPatience); err != nil {
		return nil, err
	}
	begin := time.Now()
	next, err := start()
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	return []float64{float64(took.Milliseconds())}, next.Stop(loadPatience)
}

// pingRedis returns an error unless a redis-server answers that it is ready.
func pingRedis(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+PONG\r\n" {
		err = fmt.Errorf("redis-server answered %q", answer)
	}
	return err
}
