package processtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// ending is a test that remembers how it came to its end.
type ending struct {
	testing.TB
	skipped, failed string
}

func (*ending) Helper() {}

func (e *ending) Skip(args ...any) {
	e.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (e *ending) Fatal(args ...any) {
	e.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

// asksFor runs a test that needs a program.
func asksFor(name string) (found string, e *ending) {
	e = new(ending)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		found = Program(e, name, "apt-get install it")
	}()
	<-ended
	return found, e
}

func TestAMissingProgramIsNamed(t *testing.T) {
	const want = "no-such-program is not in PATH: apt-get install it"
	t.Setenv(nothingSkipped, "")
	found, e := asksFor("no-such-program")
	require.Equal(t, &ending{skipped: want}, e)
	require.Empty(t, found)
	t.Setenv(nothingSkipped, "1")
	_, e = asksFor("no-such-program")
	require.Equal(t, &ending{failed: want}, e, "where nothing may be skipped")
}

func TestAProgramIsFound(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "server")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", folder)
	found, e := asksFor("server")
	require.Equal(t, file, found)
	require.Equal(t, new(ending), e)
}
