package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/pcd"
	"medfleet/profiles"
)

func newHL7() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hl7",
		Short: "Look at HL7 messages",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "parse FILE",
		Short: "Show what a gateway would make of the messages in a file",
		Long: `Shows, for each message in a file, its segments, the observations and events it
becomes, what is dropped as patient data, and what is not understood and why.
Nothing of the patient is printed. FILE may be - for standard input.`,
		Example: "  medfleet hl7 parse message.hl7",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return parseHL7(args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	})
	return cmd
}

// maxHL7File bounds what is read into memory.
const maxHL7File = 256 << 20

func parseHL7(path string, stdin io.Reader, out io.Writer) error {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read HL7: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxHL7File))
	if err != nil {
		return fmt.Errorf("read HL7 from %s: %w", path, err)
	}
	set, err := profiles.Load("")
	if err != nil {
		return err
	}
	mapper, err := pcd.New(pcd.Options{Profiles: set, Site: "-", Gateway: "-"})
	if err != nil {
		return err
	}
	n, bad := 0, 0
	var result pcd.Result
	for m, err := range hl7.Messages(text) {
		n++
		if err != nil {
			bad++
			fmt.Fprintf(out, "message %d: %v\n\n", n, err)
			continue
		}
		read(mapper, &result, &m)
		fmt.Fprintf(out, "message %d: %s", n, verdictWords(result.Verdict))
		if result.Reason != "" {
			fmt.Fprintf(out, ": %s", result.Reason)
		}
		fmt.Fprintf(out, "\n  segments     %s\n", segmentNames(&m))
		show(out, set, &result)
	}
	if n == 0 {
		return fmt.Errorf("%s: there is no HL7 message in it: each begins with MSH", path)
	}
	if bad == n {
		return fmt.Errorf("%s: none of %d messages could be read", path, n)
	}
	return nil
}

// read maps a message as a gateway would have at the time it was sent: the file
// may be old, and a gateway believes no time that is long ago.
func read(mapper *pcd.Mapper, r *pcd.Result, m *hl7.Message) {
	mapper.Map(r, m, netip.Addr{}, medfleet.AsMillis(time.Now()))
	if r.Sent > 0 {
		mapper.Map(r, m, netip.Addr{}, r.Sent)
	}
}

// reading gives a value, and the name of a state beside its number.
func reading(set *profiles.Set, class medfleet.Class, r medfleet.Reading) string {
	if p, ok := set.Class(class); ok && r.Metric == "state" {
		if s, ok := p.StateAt(r.Value); ok {
			return fmt.Sprintf("%g %s", r.Value, s.Name)
		}
	}
	return fmt.Sprintf("%g", r.Value)
}

func show(out io.Writer, set *profiles.Set, r *pcd.Result) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range r.Observations {
		o := &r.Observations[i]
		fmt.Fprintf(table, "  observation\t%s %s %s %s\t%s\n", o.Class, o.Device, o.Model, o.Unit, o.Time)
		for _, v := range o.Readings {
			fmt.Fprintf(table, "\t%s\t%s\n", v.Metric, reading(set, o.Class, v))
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		fmt.Fprintf(table, "  event\t%s %s\t%s\n\t%s\t%s %s %s\n", e.Class, e.Device, e.Time, e.Condition, e.Phase, e.Code, e.Priority)
	}
	table.Flush()
	showDropped(out, r)
	fmt.Fprintln(out)
}

func showDropped(out io.Writer, r *pcd.Result) {
	switch r.Verdict {
	case pcd.NotUnderstood:
		fmt.Fprintf(out, "  dropped      everything but the names and lengths of its segments, which a dead letter keeps\n")
		return
	case pcd.AsksUs, pcd.NothingForUs:
		rest := "everything"
		if len(r.Observations) > 0 {
			rest = "everything else; this is a sign of life"
		}
		fmt.Fprintf(out, "  dropped      %s\n", rest)
		return
	}
	d := &r.Dropped
	fmt.Fprintf(out, "  dropped      %d segments and %d rows that are not about equipment (patient data among them), %d alerts, %d implausible values\n",
		d.Segments, d.Rows, d.Alerts, d.Values)
	if len(d.Unknown) > 0 {
		fmt.Fprintf(out, "  not known    %q\n", d.Unknown)
	}
}

func verdictWords(v pcd.Verdict) string {
	switch v {
	case pcd.Understood:
		return "understood"
	case pcd.NothingForUs:
		return "understood, nothing for us"
	case pcd.AsksUs:
		return "asks us something, refused"
	}
	return "not understood"
}

// segmentNames gives the names in their order, runs as a count.
func segmentNames(m *hl7.Message) string {
	text, last, run := "", "", 0
	flush := func() {
		if run > 1 {
			text += fmt.Sprintf("×%d", run)
		}
	}
	for _, s := range m.Segments() {
		if s.Name() == last {
			run++
			continue
		}
		flush()
		text, last, run = text+" "+s.Name(), s.Name(), 1
	}
	flush()
	if text == "" {
		return "none"
	}
	return text[1:]
}
