package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"medfleet/gateway"
)

// The test binary is the program under test as well: started again with asProgram
// set, it is medfleet, so that it can be killed like it.
const (
	asProgram  = "MEDFLEET_TEST_RUN"
	withFault  = "MEDFLEET_TEST_FAULT" // acknowledge before appending: the control of the kill tests
	inAHurry   = "MEDFLEET_TEST_HURRY" // a gateway that calls a broker again at once
	configFile = "medfleet.yaml"

	// otherProgram names a medfleet to run instead of the test binary, which holds
	// more and so takes more memory: for measuring.
	otherProgram = "MEDFLEET_BENCH_PROGRAM"
)

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
		testscript.Main(m, map[string]func(){"medfleet": main})
	case asFloor:
		os.Exit(runFloor())
	case withFault:
		os.Exit(runFaulty())
	case inAHurry:
		os.Exit(runHurried())
	default:
		main()
	}
}

// runFaulty runs a gateway or a collector that acknowledges before it appends.
func runFaulty() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := readFile(os.Args[2])
	if err == nil && os.Args[1] == "gateway" {
		err = runGateway(ctx, f, func(o *gateway.Options) { o.Fault = hastyCustody }, os.Stderr)
	} else if err == nil {
		err = runCollector(ctx, f, hastyJournal, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return exitOK
}

// runHurried runs a gateway that waits for nothing when it has lost its broker.
func runHurried() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := readFile(os.Args[2])
	if err == nil {
		err = runGateway(ctx, f, func(o *gateway.Options) { o.Retry = 50 * time.Millisecond }, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return exitOK
}

// program is a medfleet process.
type program struct {
	args  []string
	mode  string
	log   string
	env   []string // beside the test's own
	exec  *exec.Cmd
	ended chan error
}

// start starts medfleet in a process of its own; its words go to a file that is
// shown when the test fails.
func start(t testing.TB, mode, log string, args ...string) *program {
	t.Helper()
	p := &program{args: args, mode: mode, log: log}
	p.begin(t)
	return p
}

// begin starts the process; it ends with the test at the latest.
func (p *program) begin(t testing.TB) {
	t.Helper()
	p.restart(t)
	t.Cleanup(func() {
		p.exec.Process.Kill()
		<-p.ended
		if t.Failed() {
			if text, err := os.ReadFile(p.log); err == nil {
				t.Logf("%s:\n%s", filepath.Base(p.log), tail(text, 4000))
			}
		}
	})
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func (p *program) restart(t testing.TB) {
	t.Helper()
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer out.Close()
	p.exec = exec.Command(cmp.Or(os.Getenv(otherProgram), os.Args[0]), p.args...)
	p.exec.Env = append(append(os.Environ(), p.env...), asProgram+"="+p.mode)
	p.exec.Stdout, p.exec.Stderr = out, out
	require.NoError(t, p.exec.Start())
	p.ended = make(chan error, 1)
	go func(c *exec.Cmd, ended chan error) { ended <- c.Wait() }(p.exec, p.ended)
}

// kill is kill -9, and waits until the process is gone.
func (p *program) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, p.exec.Process.Signal(syscall.SIGKILL))
	<-p.ended
	p.ended <- nil
}

// stop asks the process to end and requires that it does so cleanly.
func (p *program) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, p.exec.Process.Signal(syscall.SIGTERM))
	p.wait(t, 2*time.Minute)
}

// wait requires that the process ends cleanly, and soon enough.
func (p *program) wait(t testing.TB, within time.Duration) {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- nil
		require.NoError(t, err, "it did not end cleanly")
	case <-time.After(within):
		t.Fatalf("it did not end within %s", within)
	}
}
