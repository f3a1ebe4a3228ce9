package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"key-value/client"
)

// Control sequences of terminals (ECMA-48, and xterm for those with a question mark).
const (
	enterScreen   = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, without a cursor, on which long lines are cut
	leaveScreen   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toTop         = "\x1b[H"
	clearLine     = "\x1b[K" // from the cursor on
	clearBelow    = "\x1b[J"
	highlighted   = "\x1b[7m"
	unhighlighted = "\x1b[0m"
)

// twoColumns is the width from which on lists are shown side by side, in cells.
const twoColumns = 140

// topScreen is the live screen of kv top.
type topScreen struct {
	file     *os.File // the terminal
	url      string
	plain    bool // without highlighting
	interval time.Duration
	fetch    func(ctx context.Context, limit int) (client.KeyStats, error)

	stats  client.KeyStats
	at     time.Time // when stats were fetched
	failed error     // of the latest attempt, if it failed
}

// fetched is the result of a fetch.
type fetched struct {
	stats client.KeyStats
	err   error
}

// run shows the screen, which first has stats, until a person ends it or ctx ends.
func (s *topScreen) run(ctx context.Context, in io.Reader, stats client.KeyStats) error {
	restore, err := s.enter(in)
	if err != nil {
		return err
	}
	defer restore()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.stats, s.at = stats, time.Now()
	keys, results := typed(in), make(chan fetched, 1)
	refresh := time.NewTimer(s.interval)
	defer refresh.Stop()
	// The size is looked at often rather than awaited, because the signal for its changes is not known to all systems.
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for width, height := 0, 0; ; {
		select {
		case <-ctx.Done():
			return interruption{ctx.Err()}
		case key := <-keys:
			switch key {
			case 'q', 'Q':
				return nil
			case ctrlC:
				return interruption{context.Canceled}
			}
			continue
		case <-refresh.C:
			go func() {
				stats, err := s.fetch(ctx, maxTopRows)
				results <- fetched{stats, err}
			}()
			continue
		case r := <-results:
			if err := s.take(r); err != nil {
				return err
			}
			refresh.Reset(s.interval)
		case <-look.C:
			w, h, err := term.GetSize(int(s.file.Fd()))
			if err != nil {
				return fmt.Errorf("read the size of the terminal: %w", err)
			}
			if w == width && h == height {
				continue
			}
			width, height = w, h
		}
		if err := s.draw(width, height); err != nil {
			return err
		}
	}
}

// enter switches the terminal to the screen. Restore undoes that.
func (s *topScreen) enter(in io.Reader) (restore func(), err error) {
	restore = func() { _, _ = s.file.WriteString(leaveScreen) }
	if keyboard, ok := in.(*os.File); ok && isTerminal(keyboard) {
		before, err := term.MakeRaw(int(keyboard.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read single keys: %w", err)
		}
		restore = func() {
			_, _ = s.file.WriteString(leaveScreen)
			_ = term.Restore(int(keyboard.Fd()), before)
		}
	}
	if _, err := s.file.WriteString(enterScreen); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// ctrlC is what a terminal sends for Ctrl-C when single keys are read.
const ctrlC = 3

// typed returns the bytes that arrive from in. Their reader ends with the process, because reads of a terminal cannot be
// canceled.
func typed(in io.Reader) <-chan byte {
	keys := make(chan byte)
	go func() {
		buffer := make([]byte, 64)
		for {
			n, err := in.Read(buffer)
			for _, key := range buffer[:n] {
				keys <- key
			}
			if err != nil {
				return
			}
		}
	}()
	return keys
}

// take records the result of a fetch. It returns an error that another attempt would get too.
func (s *topScreen) take(r fetched) error {
	switch s.failed = r.err; {
	case r.err == nil:
		s.stats, s.at = r.stats, time.Now()
	case !errors.Is(r.err, client.ErrUnavailable) && !errors.Is(r.err, client.ErrOverloaded) && !errors.Is(r.err, context.DeadlineExceeded):
		return r.err
	}
	return nil
}

// draw writes the whole screen at once, over the one before, so that it does not flicker.
func (s *topScreen) draw(width, height int) error {
	if width < 1 || height < 1 {
		return nil
	}
	lines := s.lines(width, height)
	frame := toTop + strings.Join(lines, "\r\n")
	if len(lines) < height {
		frame += "\r\n" + clearBelow
	}
	_, err := s.file.WriteString(frame)
	return err
}

// lines returns the screen as at most height lines of width cells.
func (s *topScreen) lines(width, height int) []string {
	sections := topSections(s.stats)
	lines := []string{s.fill(s.status(), width, true, true)}
	if width < twoColumns {
		for i, section := range sections {
			lines = append(lines, s.list(section, width, (height-len(lines))/(len(sections)-i), true)...)
		}
		return lines[:min(len(lines), height)]
	}
	left := (width - len(columnGap)) / 2
	right := fmt.Sprintf("%s\x1b[%dG", columnGap, left+len(columnGap)+1) // however a terminal counts the cells of the left list
	for i := 0; i < len(sections); i += 2 {
		a := s.list(sections[i], left, (height-1)/2, false)
		b := s.list(sections[i+1], width-left-len(columnGap), (height-1)/2, true)
		for n := range a {
			lines = append(lines, a[n]+right+b[n])
		}
	}
	return lines
}

// list returns a section as height lines of width cells. Last is whether nothing follows on these lines.
func (s *topScreen) list(section topSection, width, height int, last bool) []string {
	lines := make([]string, max(0, height))
	copy(lines, section.lines(width, height))
	for i, line := range lines {
		lines[i] = s.fill(line, width, i > 0, last)
	}
	return lines
}

// fill returns line with exactly width cells. Unless it is plain, it is highlighted.
func (s *topScreen) fill(line string, width int, plain, last bool) string {
	line = fitted(line, width)
	pad := strings.Repeat(" ", width-cells(line))
	if plain || s.plain {
		line += pad
	} else {
		line = highlighted + line + pad + unhighlighted
	}
	if last && pad != "" { // at the end of a full line, this would clear its last character
		line += clearLine
	}
	return line
}

// status returns the first line.
func (s *topScreen) status() string {
	if s.failed != nil {
		return fmt.Sprintf("%s  q: quit  %s", s.at.Format(time.TimeOnly), escape(sentence(s.failed)))
	}
	sampled := ""
	if s.stats.SampledEvery > 1 {
		sampled = fmt.Sprintf(", 1 of %s sampled", readable(int64(s.stats.SampledEvery)))
	}
	return fmt.Sprintf("%s  q: quit  rates over %s%s  %s", s.at.Format(time.TimeOnly), s.stats.Window.Round(time.Second), sampled, escape(s.url))
}
