package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"medfleet"
	"medfleet/gateway/uplink"
	"medfleet/record"
	"medfleet/spool"
)

// Bounds of one batch to the collector.
const (
	batchRecords = 2000
	batchBytes   = 1 << 20
)

// stream gives a spool's records to the uplink, numbered and framed. A gap in
// the spool is sent as a record of its own, numbered as the last of the lost, so
// that the collector learns of the loss in its place.
type stream struct {
	name, gateway, site string
	log                 *spool.Log
	reader              *spool.Reader
	dead                *deadLetters
	logger              *slog.Logger
	batch               uplink.Batch
	body                []byte
	ends                []int
}

func (s *stream) Next(ctx context.Context) (uplink.Batch, error) {
	records, gap, err := s.reader.Read(ctx, batchRecords, batchBytes)
	if err != nil {
		return uplink.Batch{}, err
	}
	s.body, s.ends = s.body[:0], s.ends[:0]
	if gap != nil {
		s.frame(s.declare(gap), gap.Epoch, gap.Last)
		return s.framed(gap.Epoch, gap.Last), nil
	}
	if len(records) == 0 {
		return uplink.Batch{}, errors.New("the spool gave nothing")
	}
	for _, r := range records {
		s.frame(r.Payload, r.Epoch, r.Sequence)
	}
	return s.framed(records[0].Epoch, records[0].Sequence), nil
}

// frame stamps an envelope with its number and adds it to the body.
func (s *stream) frame(envelope []byte, epoch, sequence uint64) {
	s.body = record.AppendFrame(s.body, envelope)
	record.Stamp(s.body[len(s.body)-len(envelope):], epoch, sequence)
	s.ends = append(s.ends, len(s.body))
}

func (s *stream) framed(epoch, first uint64) uplink.Batch {
	s.batch.Epoch, s.batch.First, s.batch.Records = epoch, first, s.batch.Records[:0]
	start := 0
	for _, end := range s.ends {
		s.batch.Records = append(s.batch.Records, s.body[start:end])
		start = end
	}
	return s.batch
}

// declare makes the record that tells of a loss.
func (s *stream) declare(g *spool.Gap) []byte {
	lost := medfleet.Gap{
		Gateway: s.gateway, Site: s.site, Stream: s.name, Epoch: g.Epoch,
		First: g.First, Last: g.Last, Count: g.Count,
		From: medfleet.AsMillis(g.From), To: medfleet.AsMillis(g.To), Reason: g.Reason,
	}
	if g.To.IsZero() {
		lost.From, lost.To = 0, now()
	}
	var encoder record.Encoder
	e := record.Envelope{
		Kind: record.Gap, Received: now(), Gateway: []byte(s.gateway), Stream: []byte(s.name),
		Line: encoder.Gap(nil, &lost),
	}
	return e.Append(nil)
}

// Delivered lets the spool go of what the collector has. A disk that cannot take
// the position does not hold up delivery: after a restart some is sent again, and
// the collector knows it.
func (s *stream) Delivered(sequence uint64) error {
	if err := s.reader.Commit(sequence); err != nil {
		s.logger.Error("position not kept: the spool keeps what is delivered", "stream", s.name, "error", err)
	}
	return nil
}

func (s *stream) Reject(sequence uint64, framed []byte, reason string) error {
	letter := DeadLetter{
		Source: "uplink " + s.name, Bytes: len(framed),
		Reason: fmt.Sprintf("the collector refuses record %d for its content: %.300s", sequence, reason),
	}
	return s.dead.keep(context.Background(), letter)
}
