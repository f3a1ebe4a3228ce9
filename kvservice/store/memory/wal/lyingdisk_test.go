package wal_test

import (
	"key-value/kvservice/store/memory/wal/vfs"
	"key-value/kvservice/store/memory/wal/vfs/simfs"
)

// syncAtStart is the sync of a file that existed before the log was opened.
const syncAtStart simfs.Op = "sync at a start"

// liar is a disk on which some calls do nothing.
type liar struct {
	*simfs.Disk
	lie simfs.Op
}

func (l liar) SyncDir() error {
	if l.lie == simfs.SyncDir {
		return nil
	}
	return l.Disk.SyncDir()
}

func (l liar) Create(name string) (vfs.File, error) { return l.file(l.Disk.Create(name)) }

func (l liar) Open(name string) (vfs.File, error) {
	if l.lie == syncAtStart {
		l.lie = simfs.Sync
	}
	return l.file(l.Disk.Open(name))
}

func (l liar) file(f vfs.File, err error) (vfs.File, error) { return lyingFile{f, l.lie}, err }

type lyingFile struct {
	vfs.File
	lie simfs.Op
}

func (f lyingFile) Sync() error {
	if f.lie == simfs.Sync {
		return nil
	}
	return f.File.Sync()
}
