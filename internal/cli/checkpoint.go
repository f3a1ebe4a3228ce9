package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/go-json-experiment/json"

	"key-value/internal/atomicfile"
)

// position is how far an import got: everything up to and including this line is done.
type position struct {
	Line int64  `json:"line"` // from 1; zero for none
	Key  string `json:"key"`  // of the entry on that line; "" if not known
}

// checkpoint keeps the position of an import in a file next to the imported one.
type checkpoint struct {
	file   string // "" if the input cannot be read again
	target target
	log    io.Writer
	before *checkpointed // what the file held at first; nil if there was none

	saved  time.Time
	broken bool // writing failed, which has been logged
}

// checkpointed is the content of the file.
type checkpointed struct {
	position `json:",inline"`
	target   `json:",inline"`
}

// newCheckpoint returns the checkpoint of an import. It fails if something else has the name of its file.
func newCheckpoint(in importInput, t target, log io.Writer) (*checkpoint, error) {
	c := &checkpoint{target: t, log: log}
	if !in.regular {
		return c, nil
	}
	c.file = in.name + ".progress"
	var err error
	c.before, err = readCheckpoint(c.file)
	return c, err
}

// readCheckpoint returns what a file holds, or nil if there is none.
func readCheckpoint(name string) (*checkpointed, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = atomicfile.CheckRegular(name, info)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	at := &checkpointed{}
	if err := json.Unmarshal(text, at, json.RejectUnknownMembers(true)); err != nil || at.Line < 1 || at.URL == "" {
		return nil, fmt.Errorf("%s is not the progress of an import: move it elsewhere, because the import keeps its progress there", name)
	}
	return at, nil
}

// load returns the position after which an import continues.
func (c *checkpoint) load() (position, error) {
	switch {
	case c.before == nil:
		return position{}, fmt.Errorf("nothing to resume: %s does not exist; import without --resume", c.file)
	case c.before.URL != c.target.URL:
		return position{}, fmt.Errorf("the last import went to %s, this one goes to %s: import without --resume", c.before.URL, c.target.URL)
	case c.before.target != c.target:
		return position{}, errors.New("the store was restarted after the last import and lost its entries: import without --resume")
	}
	return c.before.position, nil
}

// save writes p at most once per second. A checkpoint may lag behind: importing an entry twice does no harm.
func (c *checkpoint) save(p position) {
	if time.Since(c.saved) >= time.Second {
		c.write(p)
	}
}

// write replaces the file atomically, so that it is never incomplete.
func (c *checkpoint) write(p position) {
	if c.file == "" || c.broken || p.Line == 0 {
		return
	}
	text, err := json.Marshal(checkpointed{p, c.target})
	if err == nil {
		err = atomicfile.Replace(c.file, append(text, '\n'), 0o600)
	}
	if c.saved, c.broken = time.Now(), err != nil; c.broken {
		note(c.log, "cannot save progress, --resume will not work: %v", err)
	}
}

// remove deletes the checkpoint of a complete import.
func (c *checkpoint) remove() error {
	if c.file == "" {
		return nil
	}
	if err := os.Remove(c.file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
