package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"medfleet"
	"medfleet/record"
)

// header is what a gateway says of its batch.
type header struct {
	gateway, stream string
	epoch, first    uint64
}

// takeBatch takes a gateway's batch: all of it becomes durable, or nothing and
// the answer names the records that are refused.
func (d *Door) takeBatch(r *http.Request, who medfleet.Principal, name string, body []byte) error {
	if who.Gateway != name && who.Role < medfleet.RoleAdmin {
		return fail(http.StatusForbidden, codeForbidden, "this token is not gateway %s's", quoted(name))
	}
	h, err := readHeader(r, name)
	if err != nil {
		return err
	}
	if len(body) > maxBatch {
		return fail(http.StatusRequestEntityTooLarge, codeTooLarge, "batch is over %d bytes when decompressed: send smaller ones", maxBatch)
	}
	envelopes, err := d.readBatch(h, body)
	if err != nil {
		return err
	}
	s := d.memory.stream(h.gateway, h.stream)
	if s == nil {
		return fail(http.StatusForbidden, codeForbidden, "more than %d streams: is somebody inventing gateways?", maxStreams)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.append(r, s, h, envelopes)
}

func readHeader(r *http.Request, name string) (header, error) {
	h := header{gateway: name, stream: r.Header.Get("Medfleet-Stream")}
	var err1, err2 error
	h.epoch, err1 = strconv.ParseUint(r.Header.Get("Medfleet-Epoch"), 16, 64)
	h.first, err2 = strconv.ParseUint(r.Header.Get("Medfleet-First-Sequence"), 10, 64)
	named := medfleet.DeviceID(h.stream).Valid() && medfleet.DeviceID(h.gateway).Valid()
	if err1 != nil || err2 != nil || !named || h.first == 0 || h.first > math.MaxUint64-maxRecords {
		return h, fail(http.StatusBadRequest, codeInvalid, "headers Medfleet-Stream, Medfleet-Epoch (hexadecimal) and Medfleet-First-Sequence (decimal, from 1) are needed beside Medfleet-Gateway")
	}
	return h, nil
}

// readBatch cuts the body into envelopes and checks each.
func (d *Door) readBatch(h header, body []byte) ([][]byte, error) {
	var (
		envelopes [][]byte
		bad       []int
		reason    string
		decoder   = record.NewDecoder()
		line      record.Line
	)
	for rest := body; len(rest) > 0; {
		envelope, after, err := record.NextFrame(rest)
		if err != nil || len(envelopes) == maxRecords {
			return nil, fail(http.StatusBadRequest, codeInvalid, "record %d: the body is no sequence of at most %d framed records", len(envelopes)+1, maxRecords)
		}
		envelopes, rest = append(envelopes, envelope), after
		if err := d.checkEnvelope(h, envelope, uint64(len(envelopes)-1), decoder, &line); err != nil {
			bad = append(bad, len(envelopes))
			if reason == "" {
				reason = fmt.Sprintf("record %d: %v", len(envelopes), err)
			}
		}
	}
	if len(bad) > 0 {
		d.counts.Refused.Add(uint64(len(bad)))
		f := fail(http.StatusUnprocessableEntity, codeUnprocessable, "nothing is taken: %s; refused=%d", reason, len(bad))
		f.Lines = bad
		return nil, f
	}
	return envelopes, nil
}

func (d *Door) checkEnvelope(h header, b []byte, i uint64, decoder *record.Decoder, l *record.Line) error {
	if len(b) > maxRecord {
		return fmt.Errorf("it is over %d bytes", maxRecord)
	}
	e, err := record.Parse(b)
	if err != nil {
		return err
	}
	if string(e.Gateway) != h.gateway || string(e.Stream) != h.stream || e.Epoch != h.epoch || e.Sequence != h.first+i {
		return fmt.Errorf("its envelope says otherwise than the headers")
	}
	if err := decoder.Decode(e.Line, l); err != nil {
		return err
	}
	kind, err := d.check.kind(l, true)
	switch {
	case err != nil:
		return err
	case kind != e.Kind:
		return fmt.Errorf("its envelope says %s, its line is %s", e.Kind, kind)
	case (kind == record.Gap || kind == record.Heartbeat) && l.Tag("gateway") != h.gateway:
		return errors.New("it speaks for another gateway")
	}
	return nil
}

// append makes durable what is new of a batch. The stream is locked.
func (d *Door) append(r *http.Request, s *stream, h header, envelopes [][]byte) error {
	d.memory.appending.RLock()
	defer d.memory.appending.RUnlock()
	e := s.epoch(h.epoch)
	fresh := envelopes[:0:0]
	for i, b := range envelopes {
		switch e.judge(h.first+uint64(i), b) {
		case isNew:
			fresh = append(fresh, b)
		case isSame:
			d.counts.Duplicates.Add(1)
		case isOther:
			d.counts.Suspects.Add(1)
			fresh = append(fresh, suspect(b))
		}
	}
	if len(fresh) > 0 {
		// A sender that hangs up must not leave records durable and forgotten.
		if _, err := d.o.Journal.Append(context.WithoutCancel(r.Context()), fresh...); err != nil {
			return fmt.Errorf("append %d records of gateway %s to the journal: %w", len(fresh), h.gateway, err)
		}
		d.counts.Records.Add(uint64(len(fresh)))
	}
	for i, b := range envelopes {
		e.remember(h.first+uint64(i), b)
	}
	return nil
}

// suspect marks a copy of an envelope whose key was seen with other content: two
// machines have the same gateway's spool, or somebody wrote in one.
func suspect(b []byte) []byte {
	e, err := record.Parse(b)
	if err != nil {
		return slices.Clone(b)
	}
	e.Flags |= record.DuplicateSuspect
	return e.Append(nil)
}
