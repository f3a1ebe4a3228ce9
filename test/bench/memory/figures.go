package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"key-value/internal/testkit/proc"
)

// figures are what one side uses.
type figures struct {
	empty   float64 // MiB, before the first entry
	loaded  float64 // bytes per entry, after all were written
	rest    float64 // likewise, after a rest
	peak    float64 // likewise, the peak while all were overwritten
	counted float64 // likewise, as the engine counts; zero: it does not count
	pause   time.Duration
	cycles  int
}

func (f figures) print(w io.Writer, n int, who string) {
	fmt.Fprintf(w, "%d\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%v\t%d\t\n", n, who, f.empty, f.loaded, f.rest, f.peak, f.counted,
		f.pause.Round(time.Microsecond), f.cycles)
}

// process is a process whose memory is measured.
type process struct {
	pid   int
	empty int64 // bytes
}

func newProcess(pid int) (*process, error) {
	empty, err := proc.Memory(pid, "VmRSS")
	return &process{pid, empty}, err
}

// grown returns how much more memory the process has, or had at its peak, than when it was empty, per entry.
func (p *process) grown(name string, n int) (float64, error) {
	now, err := proc.Memory(p.pid, name)
	return float64(now-p.empty) / float64(n), err
}

// store is either side of the comparison.
type store interface {
	set(key, value []byte) error
	flush() error // waits until all writes are done
	settle()      // waits until the store is at rest
}

// measure loads n entries into s and overwrites them twice.
func (p *process) measure(s store, n int) (figures, error) {
	f := figures{empty: float64(p.empty) / (1 << 20)}
	if err := write(s, n, 1); err != nil {
		return f, err
	}
	var err error
	if f.loaded, err = p.grown("VmRSS", n); err != nil {
		return f, err
	}
	s.settle()
	if f.rest, err = p.grown("VmRSS", n); err != nil {
		return f, err
	}
	if err := proc.ForgetPeak(p.pid); err != nil {
		return f, err
	}
	for round := range uint64(2) {
		if err := write(s, n, 2+round); err != nil {
			return f, err
		}
	}
	f.peak, err = p.grown("VmHWM", n)
	return f, err
}

// write writes every key once, in an order that depends on seed.
func write(s store, n int, seed uint64) error {
	key, value := []byte("key/000000000000"), make([]byte, 64)
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	for i := range n {
		number := shuffle(uint64(i), uint64(n), seed)
		for at := len(key) - 1; key[at] != '/'; at-- {
			key[at] = '0' + byte(number%10)
			number /= 10
		}
		for at := 0; at < len(value); at += 8 {
			copy(value[at:], strconv.AppendUint(nil, 1e7+random.Uint64N(9e7), 10))
		}
		if err := s.set(key, value); err != nil {
			return err
		}
	}
	return s.flush()
}

// shuffle returns number i of a permutation of 0 to n-1 that depends on seed. It needs no list: it applies a Feistel
// cipher over the next power of four, again while the result is not below n.
func shuffle(i, n, seed uint64) uint64 {
	bits := uint64(1)
	for n > 1<<(2*bits) {
		bits++
	}
	mask := uint64(1)<<bits - 1
	for {
		left, right := i>>bits, i&mask
		for round := range uint64(4) {
			x := (right + seed + round*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
			left, right = right, left^(x^x>>29)>>7&mask
		}
		if i = left<<bits | right; i < n {
			return i
		}
	}
}
