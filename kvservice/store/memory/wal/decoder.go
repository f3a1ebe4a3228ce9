package wal

import (
	"errors"
	"fmt"
	"io"
)

// decoder reads a snapshot.
type decoder struct {
	in      io.Reader
	limit   int64 // the size of the snapshot, in bytes; negative: unknown
	at      int64 // of the frame that is read next, or of the one that does not read
	salt    uint32
	entries uint64
	lastKey string
	highest uint64 // revision of the entries
}

// read reads a snapshot and calls yield with its entries, which
// share memory. At once it needs little more memory than a block takes. If it fails, decoder.at says where.
func (d *decoder) read(yield func(Change) error) (trailer, error) {
	if err := d.begin(); err != nil {
		return trailer{}, err
	}
	for {
		f, body, err := d.frame()
		if err != nil {
			return trailer{}, err
		}
		switch f.kind {
		case blockFrame:
			if err := d.block(body, yield); err != nil {
				return trailer{}, err
			}
		case trailerFrame:
			t, err := parseTrailer(body)
			if err == nil && t.entries != d.entries {
				err = fmt.Errorf("it has %d entries, and its end says %d", d.entries, t.entries)
			}
			if err == nil && d.highest > t.revision {
				err = fmt.Errorf("it has revision %d, and its end says that %d is the last", d.highest, t.revision)
			}
			if err == nil {
				err = d.checkEnd(headBytes + len(body))
			}
			return t, err
		default:
			return trailer{}, errBody
		}
		d.at += int64(headBytes + len(body))
	}
}

// begin reads the beginning of the file.
func (d *decoder) begin() error {
	head := make([]byte, magicBytes)
	if _, err := io.ReadFull(d.in, head); err != nil {
		return cutShort(err)
	}
	if err := checkMagic(head, snapshotMagic); err != nil {
		return err
	}
	d.at = magicBytes
	f, body, err := d.frame()
	if err != nil {
		return err
	}
	r := reader{rest: body}
	d.salt = r.uint32()
	if f.kind != snapshotFrame || r.end() != nil {
		return errBody
	}
	d.at += int64(headBytes + len(body))
	return nil
}

// frame reads the next frame.
func (d *decoder) frame() (frame, []byte, error) {
	head := make([]byte, headBytes)
	if _, err := io.ReadFull(d.in, head); err != nil {
		return frame{}, nil, cutShort(err)
	}
	f, err := parseHead(head, d.salt)
	if err != nil {
		return f, nil, err
	}
	if d.limit >= 0 && int64(f.length) > d.limit-d.at-headBytes {
		return f, nil, errShort
	}
	body, err := readBody(d.in, f.length)
	if err != nil {
		return f, nil, cutShort(err)
	}
	return f, body, f.check(body)
}

// readBody reads n bytes. It takes memory only for what there is to read, and as much again.
func readBody(in io.Reader, n int) ([]byte, error) {
	body := make([]byte, min(n, 4*blockBytes))
	for read := 0; ; {
		got, err := io.ReadFull(in, body[read:])
		if read += got; err != nil || read == n {
			return body, err
		}
		body = append(body, make([]byte, min(n-read, read))...)
	}
}

// block reads the entries of a block.
func (d *decoder) block(body []byte, yield func(Change) error) error {
	r := reader{rest: body}
	for len(r.rest) > 0 {
		revision := r.uint64()
		c := r.change(revision)
		if r.failed || c.Kind != Put {
			return errBody
		}
		if d.entries > 0 && c.Key <= d.lastKey {
			return fmt.Errorf("key %q follows on %q", c.Key, d.lastKey)
		}
		d.entries++
		d.lastKey = c.Key
		d.highest = max(d.highest, revision)
		if err := yield(c); err != nil {
			return err
		}
	}
	return nil
}

// checkEnd returns an error if something follows on the trailer, which has size bytes.
func (d *decoder) checkEnd(size int) error {
	var one [1]byte
	switch _, err := io.ReadFull(d.in, one[:]); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	d.at += int64(size)
	return errors.New("something follows on its end")
}

var errShort = errors.New("it ends in the middle: it is not complete")

// cutShort makes the error of a read that ends early say so.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}
