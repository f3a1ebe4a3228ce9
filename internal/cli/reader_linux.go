package cli

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// whenReaderLeaves calls left once nobody can read any more from the pipe that out is. A command that rarely writes would
// not notice otherwise. It does nothing if out is no pipe. The returned function ends the wait.
func whenReaderLeaves(out io.Writer, left func()) (stop func()) {
	f, ok := out.(*os.File)
	if !ok {
		return func() {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return func() {}
	}
	wake, end, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if closed(int(f.Fd()), int(wake.Fd())) {
			left()
		}
	}()
	return func() {
		end.Close()
		<-done
		wake.Close()
	}
}

// closed waits until the pipe that is written at fd out has no reader, and reports false if the one that is read at wake is
// closed first.
func closed(out, wake int) bool {
	for {
		// To select, the end of a pipe at which one writes becomes readable when the pipe has no reader.
		var ready syscall.FdSet
		bits := syscall.FD_SETSIZE / len(ready.Bits)
		if max(out, wake) >= syscall.FD_SETSIZE {
			return false
		}
		for _, fd := range []int{out, wake} {
			ready.Bits[fd/bits] |= 1 << (fd % bits)
		}
		_, err := syscall.Select(max(out, wake)+1, &ready, nil, nil, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return false
		default:
			return ready.Bits[out/bits]&(1<<(out%bits)) != 0
		}
	}
}
