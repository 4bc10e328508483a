// Package processtest is for tests that run other programs: it finds the programs and
// says by name which are missing, and it finds addresses that stay free for a program
// that is killed and started again. Only tests use it.
package processtest

import (
	"os"
	"os/exec"
	"testing"
)

// nothingSkipped, when it is set in the environment, makes a missing program a
// failure: where changes are accepted no test may pass by not running.
const nothingSkipped = "MEDFLEET_NOTHING_SKIPPED"

// Program finds a program in PATH, or where Debian keeps servers. A test that misses
// it goes no further; how says how to come by it.
func Program(t testing.TB, name, how string) string {
	t.Helper()
	for _, file := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(file); err == nil {
			return path
		}
	}
	Missing(t, name+" is not in PATH: "+how)
	return ""
}

// Missing skips a test and says what it misses; where nothing may be skipped the test
// fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(nothingSkipped) != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
