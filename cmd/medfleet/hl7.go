package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
)

func newHL7() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hl7",
		Short: "Look at HL7 messages, or send them",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHL7Parse(), newHL7Send())
	return cmd
}

// parseFlags are what `hl7 parse` can be told.
type parseFlags struct {
	config string
	from   string
	output string
}

func newHL7Parse() *cobra.Command {
	var f parseFlags
	cmd := &cobra.Command{
		Use:   "parse FILE",
		Short: "Show what a gateway would make of the messages in a file",
		Long: `Shows, for each message in a file, what kind it is, its segments, the device and
the field that named it, the observations and events it becomes, what is left
behind because it is a patient's or not about equipment, what is not understood
and why, and the answer it would have. Nothing of the patient is printed.

FILE holds one message, several one after another, a batch (FHS, BHS) or saved
MLLP frames; - is standard input. With a configuration its senders are used;
else the defaults.`,
		Example: `  medfleet hl7 parse message.hl7
  medfleet hl7 parse batch.hl7 --config.file medfleet.yaml --from 10.20.7.4
  medfleet hl7 parse - -o json < message.hl7`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runParse(args[0], f, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config.file", "", "configuration whose senders and profiles are used")
	flags.StringVar(&f.from, "from", "", "address that the messages came from, for senders matched by peer")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

func runParse(path string, f parseFlags, stdin io.Reader, out, stderr io.Writer) error {
	if f.output != "text" && f.output != "json" {
		return usageError{fmt.Errorf("-o %q: want text or json", f.output)}
	}
	x, err := newExaminer(f)
	if err != nil {
		return err
	}
	text, err := readHL7(path, stdin)
	if err != nil {
		return err
	}
	list := x.all(text)
	if f.output == "json" {
		err = showJSON(out, list)
	} else {
		showText(out, list)
	}
	if err != nil {
		return err
	}
	if n := len(list); n > 1 {
		fmt.Fprintf(stderr, "%d messages: %s\n", n, tally(list))
	}
	return unreadable(path, list)
}

// unreadable says that a file held nothing to look at.
func unreadable(path string, list []examined) error {
	if len(list) == 0 {
		return fmt.Errorf("%s: there is no HL7 message in it: each begins with MSH", path)
	}
	for i := range list {
		if list[i].Verdict != unread {
			return nil
		}
	}
	return fmt.Errorf("%s: none of %d messages could be read", path, len(list))
}

// maxHL7File bounds what is read into memory.
const maxHL7File = 256 << 20

// readHL7 reads a file, or standard input for -.
func readHL7(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read HL7: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxHL7File+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read HL7 from %s: %w", path, err)
	case len(text) > maxHL7File:
		return nil, fmt.Errorf("read HL7 from %s: it has more than %d MiB: split it", path, maxHL7File>>20)
	}
	return text, nil
}

// peerOf reads --from.
func peerOf(from string) (netip.Addr, error) {
	if from == "" {
		return netip.Addr{}, nil
	}
	peer, err := netip.ParseAddr(from)
	if err != nil {
		return peer, usageError{fmt.Errorf("--from %q: want an address such as 10.20.7.4", from)}
	}
	return peer, nil
}

var errNoSenders = errors.New("the configuration has no section gateway, so no senders")
