package wal

import (
	"encoding/binary"
	"fmt"
	"io"
)

// blockBytes is the size from which a block of entries is written.
const blockBytes = 256 << 10

// encoder writes a snapshot: a frame with the salt, frames with entries, and a trailer.
type encoder struct {
	out     io.Writer
	salt    uint32
	block   []byte // the frame being filled
	entries uint64
	lastKey []byte
	written int64
}

func newEncoder(out io.Writer) *encoder {
	e := &encoder{out: out, salt: newSalt()}
	e.block = appendMagic(nil, snapshotMagic)
	e.block = binary.LittleEndian.AppendUint32(beginFrame(e.block), e.salt)
	sealFrame(e.block, magicBytes, snapshotFrame, 0)
	return e
}

// add adds an entry.
func (e *encoder) add(entry *Change) error {
	if e.entries > 0 && string(e.lastKey) >= entry.Key {
		return fmt.Errorf("key %q follows on %q in a snapshot", entry.Key, e.lastKey)
	}
	if e.entries == 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if len(e.block) == 0 {
		e.block = beginFrame(e.block)
	}
	e.block = binary.LittleEndian.AppendUint64(e.block, entry.Revision)
	e.block = appendChange(e.block, entry)
	e.lastKey = append(e.lastKey[:0], entry.Key...)
	e.entries++
	if len(e.block) < blockBytes {
		return nil
	}
	return e.endBlock()
}

// endBlock writes the entries that have been added.
func (e *encoder) endBlock() error {
	if len(e.block) > 0 && e.entries > 0 {
		sealFrame(e.block, 0, blockFrame, e.salt)
	}
	return e.flush()
}

// flush writes the block as it is.
func (e *encoder) flush() error {
	n, err := e.out.Write(e.block)
	e.written += int64(n)
	e.block = e.block[:0]
	return err
}

// finish writes what is left, and the trailer.
func (e *encoder) finish(t trailer) error {
	if err := e.endBlock(); err != nil {
		return err
	}
	t.entries = e.entries
	e.block = t.append(beginFrame(e.block))
	sealFrame(e.block, 0, trailerFrame, e.salt)
	return e.flush()
}
