package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// position is how far an import got: all lines up to this one are done.
type position struct {
	Line int64  `json:"line"` // from 1; zero: none
	Key  string `json:"key"`  // of the entry on it; "" if that is not known
}

// target names a store, in the life that it has until it loses its data.
type target struct {
	URL     string `json:"url"`
	Started string `json:"started,omitzero"` // empty: it does not lose its data
}

// checkpoint keeps the position of an import in a file beside the one that is imported.
type checkpoint struct {
	file   string // empty: there is none
	target target
	log    io.Writer

	saved  time.Time
	broken bool // whether it could not be written, which was told
}

// checkpointed is what the file holds.
type checkpointed struct {
	position `json:",inline"`
	target   `json:",inline"`
}

func newCheckpoint(name string, t target, log io.Writer) *checkpoint {
	c := &checkpoint{target: t, log: log}
	if name != "-" {
		c.file = name + ".progress"
	}
	return c
}

// load returns the position from which an import goes on.
func (c *checkpoint) load() (position, error) {
	text, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, fmt.Errorf("there is no %s to go on from: the last import came to its end, or there was none; leave out --resume", c.file)
	}
	if err != nil {
		return position{}, err
	}
	var at checkpointed
	if err := json.Unmarshal(text, &at); err != nil {
		return position{}, fmt.Errorf("%s cannot be read, import without --resume: %w", c.file, err)
	}
	if at.target.URL != c.target.URL {
		return position{}, fmt.Errorf("the last import went to %s, and this one goes to %s: import without --resume", at.target.URL, c.target.URL)
	}
	if at.target != c.target {
		return position{}, errors.New("the store was restarted since, and has lost what was written: import without --resume")
	}
	return at.position, nil
}

// save keeps p, but not each one: an import may be a second ahead, and writing an entry twice does no harm.
func (c *checkpoint) save(p position) {
	if time.Since(c.saved) >= time.Second {
		c.finish(p)
	}
}

// finish keeps p. The file is replaced as a whole, so that it is never half of one.
func (c *checkpoint) finish(p position) {
	if c.file == "" || c.broken || p.Line == 0 {
		return
	}
	text, err := json.Marshal(checkpointed{p, c.target})
	if err == nil {
		err = os.WriteFile(c.file+"~", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(c.file+"~", c.file)
	}
	if c.saved, c.broken = time.Now(), err != nil; c.broken {
		fmt.Fprintf(c.log, "kv: the progress is not kept, so that --resume will not work: %v\n", err)
	}
}

// remove forgets the position when all is done.
func (c *checkpoint) remove() error {
	if c.file == "" {
		return nil
	}
	if err := os.Remove(c.file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
