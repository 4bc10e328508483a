package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"medfleet"
	"medfleet/record"
)

// takeLines takes line protocol from anybody who may write. Good lines are made
// durable whatever the others are; then the bad ones are told.
func (d *Door) takeLines(r *http.Request, body []byte) error {
	precision, err := precisionOf(r.URL.Query().Get("precision"))
	if err != nil {
		return err
	}
	read := d.readLines(body, precision)
	if len(read.envelopes) > maxRecords {
		return fail(http.StatusRequestEntityTooLarge, codeTooLarge, "more than %d lines: send smaller batches", maxRecords)
	}
	if err := d.appendLines(context.WithoutCancel(r.Context()), read.envelopes); err != nil {
		return err
	}
	d.counts.Refused.Add(uint64(read.refused))
	return read.failure()
}

// appendLines makes lines durable, a part at a time: the journal takes only so
// much at once. When it fails in the middle all of them come again, and those that
// are there change nothing.
func (d *Door) appendLines(ctx context.Context, envelopes [][]byte) error {
	for len(envelopes) > 0 {
		n, size := 0, 0
		for n < len(envelopes) && (n == 0 || size+len(envelopes[n]) <= maxAppend) {
			size += len(envelopes[n])
			n++
		}
		if _, err := d.o.Journal.Append(ctx, envelopes[:n]...); err != nil {
			return fmt.Errorf("append %d lines to the journal: %w", n, err)
		}
		d.counts.Records.Add(uint64(n))
		envelopes = envelopes[n:]
	}
	return nil
}

func precisionOf(word string) (lineprotocol.Precision, error) {
	switch word {
	case "", "ns", "n":
		return lineprotocol.Nanosecond, nil
	case "us", "u":
		return lineprotocol.Microsecond, nil
	case "ms":
		return lineprotocol.Millisecond, nil
	case "s":
		return lineprotocol.Second, nil
	}
	return 0, fail(http.StatusBadRequest, codeInvalid, "precision is none of ns, us, ms, s")
}

// linesRead is a body taken apart.
type linesRead struct {
	envelopes [][]byte
	reasons   []string // of the first few refused lines
	refused   int
	unread    int // of those, not line protocol at all
}

// maxReasons bounds how many refused lines are told one by one.
const maxReasons = 10

func (r *linesRead) refuse(line int, err error) {
	r.refused++
	if len(r.reasons) < maxReasons {
		r.reasons = append(r.reasons, fmt.Sprintf("line %d: %v", line, err))
	}
}

// failure tells of refused lines as InfluxDB does: 400 when some are no line
// protocol, 422 when some are outside the schema.
func (r *linesRead) failure() error {
	if r.refused == 0 {
		return nil
	}
	more := ""
	if n := r.refused - len(r.reasons); n > 0 {
		more = fmt.Sprintf("; and %d more", n)
	}
	message := fmt.Sprintf("partial write: %s%s; accepted=%d dropped=%d", strings.Join(r.reasons, "; "), more, len(r.envelopes), r.refused)
	if r.unread > 0 {
		return fail(http.StatusBadRequest, codeInvalid, "%s", message)
	}
	return fail(http.StatusUnprocessableEntity, codeUnprocessable, "%s", message)
}

func (d *Door) readLines(body []byte, precision lineprotocol.Precision) *linesRead {
	var (
		read    linesRead
		line    record.Line
		encoder record.Encoder
		decoder = record.NewDecoder()
		at      = medfleet.AsMillis(time.Now())
	)
	for n := 1; len(body) > 0 && len(read.envelopes) <= maxRecords; n++ {
		var text []byte
		text, body, _ = bytes.Cut(body, []byte{'\n'})
		if text = bytes.Trim(text, " \t\r"); len(text) == 0 || text[0] == '#' {
			continue
		}
		if err := decoder.DecodeIn(precision, text, &line); err != nil {
			read.unread++
			read.refuse(n, err)
			continue
		}
		kind, err := d.check.kind(&line, false)
		if err != nil {
			read.refuse(n, err)
			continue
		}
		read.envelopes = append(read.envelopes, d.envelope(&encoder, &line, kind, at))
	}
	return &read
}

// envelope makes a record of a plain line: the door is where it becomes one, so
// here what it left out is filled in.
func (d *Door) envelope(encoder *record.Encoder, l *record.Line, kind record.Kind, at medfleet.Millis) []byte {
	e := record.Envelope{Kind: kind, Received: at}
	when, clamped := medfleet.Believe(l.Time, at)
	if clamped {
		e.Flags |= record.Clamped
	}
	if kind == record.Event {
		event := l.Event()
		event.Site, event.Time, event.Gateway = orElse(event.Site, d.o.Site), when, ""
		d.name(&event)
		e.Line = encoder.Event(nil, &event)
		return e.Append(nil)
	}
	var o medfleet.Observation
	l.Observation(&o)
	o.Class, o.Site, o.Time, o.Gateway = medfleet.Class(l.Measurement), orElse(o.Site, d.o.Site), when, ""
	if len(o.Readings) == 0 {
		o.Gateway = "-" // a sign of life: a line needs a field
	}
	e.Line = encoder.Observation(nil, &o)
	return e.Append(nil)
}

// name gives a plain event the kind and words of its condition, and an id by
// what it says when the sender gave none.
func (d *Door) name(e *medfleet.Event) {
	if c, ok := d.o.Profiles.Condition(e.Condition); ok {
		e.Kind, e.Text = c.Kind, c.Title
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "line\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d\x00%s", e.Site, e.Device, e.Condition, e.Phase, e.Code, e.Time, e.ID))
	e.ID = hex.EncodeToString(sum[:16])
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
