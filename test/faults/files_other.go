//go:build !linux

package main

import "errors"

// limitFiles needs Linux, as the suite does. Elsewhere the package is only compiled and its checks tested.
func limitFiles(int, uint64) (restore func() error, err error) { return nil, errors.ErrUnsupported }
