package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
	"medfleet/gateway/tlsfiles"
)

// sendFlags are what `hl7 send` can be told.
type sendFlags struct {
	to          string
	rate        float64
	count       int
	connections int
	timeout     time.Duration
	release2    bool
	tls         bool
	files       tlsfiles.Client
	output      string
}

func newHL7Send() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send FILE",
		Short: "Send the messages of a file over MLLP and report what was answered",
		Long: `Sends the messages of a file one by one, each connection waiting for the answer to
one before it sends the next. An answer counts for the message whose control id it
names (MSA-2) and for no other. Ends with 1 when not every message was accepted.

FILE holds one message or several one after another, a batch (FHS, BHS) or saved
MLLP frames, with lines that end in CR, LF or both; - is standard input.`,
		Example: `  medfleet hl7 send message.hl7 --to 127.0.0.1:2575
  medfleet hl7 send day.hl7 --to gateway:2575 --rate 50 --connections 4
  medfleet hl7 send day.hl7 --to gateway:2575 --count 100000 --rate 0 -o json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSend(cmd.Context(), args[0], f, cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "address of the receiver, host:port")
	flags.Float64Var(&f.rate, "rate", 0, "messages per second over all connections; 0 sends as fast as answers come")
	flags.IntVar(&f.count, "count", 0, "how many to send, the file over and over; 0 sends each of its messages once")
	flags.IntVar(&f.connections, "connections", 1, "connections to send over")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for a connection and for an answer")
	flags.BoolVar(&f.release2, "release-2", false, "speak MLLP release 2, with commit frames")
	flags.BoolVar(&f.tls, "tls", false, "speak TLS; the options below do so as well")
	flags.StringVar(&f.files.CAFile, "tls.ca", "", "authorities to trust, PEM; the system's when it is not given")
	flags.StringVar(&f.files.CertFile, "tls.cert", "", "certificate to show, PEM")
	flags.StringVar(&f.files.KeyFile, "tls.key", "", "its key, PEM")
	flags.StringVar(&f.files.ServerName, "tls.name", "", "name in the receiver's certificate, where the address says otherwise")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

const maxSendConnections = 10_000

func (f *sendFlags) check() error {
	switch _, _, err := net.SplitHostPort(f.to); {
	case f.to == "":
		return usageError{errors.New("--to is missing: give the receiver's address, host:port")}
	case err != nil:
		return usageError{fmt.Errorf("--to %q: want host:port such as 127.0.0.1:2575", f.to)}
	case f.rate < 0:
		return usageError{fmt.Errorf("--rate %g: want messages per second, or 0 for as fast as answers come", f.rate)}
	case f.count < 0:
		return usageError{fmt.Errorf("--count %d: want a number of messages, or 0 for each of the file once", f.count)}
	case f.connections < 1 || f.connections > maxSendConnections:
		return usageError{fmt.Errorf("--connections %d: want from 1 to %d", f.connections, maxSendConnections)}
	case f.timeout <= 0:
		return usageError{fmt.Errorf("--timeout %s: want a time above 0", f.timeout)}
	case f.output != "text" && f.output != "json":
		return usageError{fmt.Errorf("-o %q: want text or json", f.output)}
	}
	return nil
}

func runSend(ctx context.Context, path string, f sendFlags, cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	text, err := readHL7(path, cmd.InOrStdin())
	if err != nil {
		return err
	}
	s, err := newSending(f, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	err = s.run(ctx, cmd.ErrOrStderr())
	r := s.report()
	if told := r.tell(cmd.OutOrStdout(), f.output); told != nil {
		return told
	}
	if err != nil {
		return err
	}
	return r.verdict()
}

// sending is a file on its way.
type sending struct {
	flags    sendFlags
	config   mllp.ClientConfig
	messages []outgoing
	total    int
	next     atomic.Int64 // message that is sent next
	began    time.Time
	ended    time.Time
	counters mllp.Counters

	mu     sync.Mutex
	tally  [fates]int
	codes  map[string]int
	times  []time.Duration
	reason error // why a message was not answered, the first time
}

// outgoing is a message as it goes out.
type outgoing struct {
	text   []byte
	silent bool // no answer is to be waited for
}

var errNothingToSend = errors.New("there is no HL7 message in it: each begins with MSH")

func newSending(f sendFlags, text []byte) (*sending, error) {
	s := &sending{flags: f, codes: map[string]int{}}
	for m := range hl7.Split(text) {
		s.messages = append(s.messages, prepared(m))
	}
	if len(s.messages) == 0 {
		return nil, errNothingToSend
	}
	if s.total = f.count; s.total == 0 {
		s.total = len(s.messages)
	}
	s.config = mllp.ClientConfig{Timeout: f.timeout, Release2: f.release2, Counters: &s.counters}
	if f.tls || f.files.On() {
		host, _, err := net.SplitHostPort(f.to)
		if err != nil {
			return nil, err
		}
		if s.config.TLS, err = f.files.Config("--tls", host); err != nil {
			return nil, usageError{err}
		}
	}
	return s, nil
}

// prepared ends each segment with CR, as it must on the wire, and reads whether
// the message asks for an answer.
func prepared(m []byte) outgoing {
	text := bytes.ReplaceAll(m, []byte("\r\n"), []byte("\r"))
	text = append(bytes.ReplaceAll(text, []byte("\n"), []byte("\r")), '\r')
	parsed, err := hl7.Parse(text)
	if err != nil {
		return outgoing{text: text}
	}
	_, wanted := hl7.Ack(nil, &parsed, hl7.Accepted, hl7.AckOptions{Now: time.Now()})
	return outgoing{text: text, silent: !wanted}
}

// run sends all messages; it returns early when the receiver cannot be reached or
// ctx ends.
func (s *sending) run(ctx context.Context, stderr io.Writer) error {
	stop := s.progress(stderr)
	defer stop()
	s.began = time.Now()
	defer func() { s.ended = time.Now() }()
	group, ctx := errgroup.WithContext(ctx)
	for range min(s.flags.connections, s.total) {
		group.Go(func() error { return s.connection(ctx) })
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// connection sends messages over one connection, and over a new one when the
// receiver has ended it.
func (s *sending) connection(ctx context.Context) error {
	var client *mllp.Client
	defer func() {
		if client != nil {
			client.Close()
		}
	}()
	for {
		i := s.next.Add(1) - 1
		if i >= int64(s.total) {
			return nil
		}
		if err := s.turn(ctx, i); err != nil {
			return err
		}
		if client == nil || ended(client) {
			if client != nil {
				client.Close()
			}
			var err error
			if client, err = mllp.Dial(ctx, s.flags.to, s.config); err != nil {
				client = nil
				return err
			}
		}
		s.send(ctx, client, s.messages[i%int64(len(s.messages))])
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func ended(c *mllp.Client) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// turn waits until message i is due.
func (s *sending) turn(ctx context.Context, i int64) error {
	if s.flags.rate == 0 {
		return ctx.Err()
	}
	due := s.began.Add(time.Duration(float64(i) / s.flags.rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sending) send(ctx context.Context, client *mllp.Client, m outgoing) {
	if m.silent {
		if err := client.Post(m.text); err != nil {
			s.note(lost, "", 0, err)
			return
		}
		s.note(unasked, "", 0, nil)
		return
	}
	began := time.Now()
	answer, err := client.Send(ctx, m.text)
	took := time.Since(began)
	switch {
	case err == nil:
		code, why := answerOf(answer)
		s.note(fateOf(code), code, took, why)
	case errors.Is(err, mllp.ErrNoControlID):
		s.note(notSent, "", 0, err)
	case errors.Is(err, mllp.ErrNoAnswer), errors.Is(err, mllp.ErrNoCommit):
		s.note(unanswered, "", 0, err)
	default:
		s.note(lost, "", 0, err)
	}
}

// answerOf is MSA-1 of an answer, and of a refusal the reason that it gives: ERR-7,
// or MSA-3 of receivers that speak an older HL7.
func answerOf(answer []byte) (code string, why error) {
	m, err := hl7.Parse(answer)
	if err != nil && m.Header().Name() == "" {
		return "", nil
	}
	code = m.First("MSA").Field(1).String()
	if f := fateOf(code); f != failed && f != rejected {
		return code, nil
	}
	for _, text := range []string{m.First("ERR").Field(7).String(), m.First("MSA").Field(3).String()} {
		if text != "" {
			return code, fmt.Errorf("the receiver answers %s: %q", code, text)
		}
	}
	return code, nil
}

func (s *sending) note(f fate, code string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally[f]++
	if code != "" {
		s.codes[code]++
		s.times = append(s.times, took)
	}
	if err != nil && s.reason == nil {
		s.reason = err
	}
}
