package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// fate is what became of a message that was sent.
type fate int

const (
	accepted   fate = iota // AA, CA
	failed                 // AE, CE: not now
	rejected               // AR, CR: never
	odd                    // an answer of another code
	unanswered             // in time
	lost                   // the connection ended before its answer
	unasked                // it asks for no answer
	notSent                // it has no control id
	fates
)

// fateNames are the keys in JSON; a person reads them with blanks.
var fateNames = [fates]string{
	accepted: "accepted", failed: "not_now", rejected: "rejected", odd: "odd_answer", unanswered: "no_answer", lost: "cut_off",
	unasked: "unasked", notSent: "no_control_id",
}

func fateOf(code string) fate {
	switch code {
	case "AA", "CA":
		return accepted
	case "AE", "CE":
		return failed
	case "AR", "CR":
		return rejected
	}
	return odd
}

// sendReport is what `hl7 send` tells at its end.
type sendReport struct {
	Messages  int            `json:"messages"`
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"per_second"`
	Fates     map[string]int `json:"fates"`
	Codes     map[string]int `json:"codes"`
	Unmatched int64          `json:"unmatched_answers"` // late ones, and those that name no message
	P50       float64        `json:"p50_seconds,omitempty"`
	P99       float64        `json:"p99_seconds,omitempty"`
	Max       float64        `json:"max_seconds,omitempty"`
	Reason    string         `json:"reason,omitempty"` // why a message was not answered, the first time
}

func (s *sending) report() sendReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := sendReport{Seconds: s.ended.Sub(s.began).Seconds(), Fates: map[string]int{}, Codes: s.codes, Unmatched: s.counters.Unmatched.Load()}
	for f, n := range s.tally {
		r.Messages += n
		if n > 0 {
			r.Fates[fateNames[f]] = n
		}
	}
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Messages) / r.Seconds
	}
	slices.Sort(s.times)
	if n := len(s.times); n > 0 {
		r.P50, r.P99, r.Max = s.times[n/2].Seconds(), s.times[n*99/100].Seconds(), s.times[n-1].Seconds()
	}
	if s.reason != nil {
		r.Reason = s.reason.Error()
	}
	return r
}

// verdict is nil when every message was accepted that asks for an answer.
func (r *sendReport) verdict() error {
	good := r.Fates[fateNames[accepted]] + r.Fates[fateNames[unasked]]
	switch bad := r.Messages - good; {
	case bad == 0:
		return nil
	case r.Reason != "":
		return fmt.Errorf("not accepted: %d of %d messages: %s", bad, r.Messages, r.Reason)
	default:
		return fmt.Errorf("not accepted: %d of %d messages", bad, r.Messages)
	}
}

func (r *sendReport) tell(out io.Writer, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	if r.Messages == 0 {
		return nil
	}
	s := sheet{out: out, paint: paintFor(out)}
	s.line("messages", "%d in %s, %.1f/s", r.Messages, rounded(r.Seconds), r.PerSecond)
	for f, name := range fateNames {
		if n := r.Fates[name]; n > 0 {
			s.line(strings.ReplaceAll(name, "_", " "), "%s", s.fate(fate(f), fmt.Sprintf("%d%s", n, r.with(fate(f)))))
		}
	}
	if r.Unmatched > 0 {
		s.line("unmatched", "%s", s.paint.yellow(fmt.Sprintf("%d answers came too late or named no message", r.Unmatched)))
	}
	if r.Max > 0 {
		s.line("latency", "p50 %s · p99 %s · max %s", rounded(r.P50), rounded(r.P99), rounded(r.Max))
	}
	return nil
}

func (s *sheet) fate(f fate, text string) string {
	switch f {
	case accepted:
		return s.paint.green(text)
	case unasked:
		return text
	}
	return s.paint.red(text)
}

// with gives the codes of a fate.
func (r *sendReport) with(f fate) string {
	var list []string
	for _, code := range slices.Sorted(maps.Keys(r.Codes)) {
		if fateOf(code) == f {
			list = append(list, fmt.Sprintf("%s %d", code, r.Codes[code]))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "  (" + strings.Join(list, ", ") + ")"
}

func rounded(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// progress tells a person at a terminal how far it is, until stop is called.
func (s *sending) progress(stderr io.Writer) (stop func()) {
	if !onTerminal(stderr) {
		return func() {}
	}
	ticker, done, gone := time.NewTicker(200*time.Millisecond), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-ticker.C:
				fmt.Fprintf(stderr, "\r\x1b[K%s", s.far())
			case <-done:
				fmt.Fprint(stderr, "\r\x1b[K")
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(done); <-gone }
}

// far is the line of the progress.
func (s *sending) far() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for _, n := range s.tally {
		done += n
	}
	bad := done - s.tally[accepted] - s.tally[unasked]
	return fmt.Sprintf("%d of %d messages, %d not accepted, %.0f/s", done, s.total, bad, float64(done)/max(time.Since(s.began).Seconds(), 1e-3))
}
