//go:build !linux

package main

import "errors"

// limitFiles needs Linux, as running the suite does. Other systems only compile it and test its checks.
func limitFiles(int, uint64) (restore func() error, err error) { return nil, errors.ErrUnsupported }
