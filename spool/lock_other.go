//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package spool

import (
	"errors"
	"io"
)

// Lock refuses: without a lock that ends with its process two of them could
// write one log.
func (osFiles) Lock(string) (io.Closer, error) {
	return nil, errors.New("this operating system has no file locks the log can use: run it on Linux, macOS or a BSD")
}
