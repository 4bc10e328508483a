// Command medfleet watches a hospital's medical equipment for the people who keep
// it working. It is one program: the edge gateway, the central collector, a
// demonstration of both, devices to try them with, and the tools around them.
//
// This is the one place that sees every package and joins them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the zones of senders, on machines that know none

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitLint   = 3
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// lintError says that a file that was checked is wrong; it has been told how.
type lintError struct{ error }

func (l lintError) Unwrap() error { return l.error }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "medfleet:", err)
	var usage usageError
	var lint lintError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &lint):
		return exitLint
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "medfleet",
		Short: "Watches a hospital's medical equipment for the people who keep it working",
		Long: `medfleet watches a hospital's medical equipment (infusion pumps, ventilators,
patient monitors) for the biomedical equipment technicians who keep it working:
battery wear, self-test failures, error codes, hours, silence, use.

It is about equipment, never about the patient, and no clinical alarm system.`,
		Example:       "  medfleet demo\n  medfleet collector --config.file medfleet.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%s: %w; see %s --help", cmd.CommandPath(), err, cmd.CommandPath())}
	})
	root.AddCommand(newDemo(), newGateway(), newCollector(), newSimulate(), newCheck(), newHL7(), newVersion())
	return root
}

// usageArgs makes what an argument check finds a mistake of the caller.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}
