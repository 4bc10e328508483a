package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"medfleet"
	"medfleet/record"
	"medfleet/spool"
)

// The two streams of a gateway. They have a spool each, so that a disk full of
// readings never costs an event.
const (
	Events    = "events"
	Telemetry = "telemetry"
)

// batch is what one message became: the unit of custody.
type batch struct {
	feed         string // the way by which it came
	received     medfleet.Millis
	observations []flagged[medfleet.Observation]
	events       []flagged[medfleet.Event]
	attachments  []flagged[medfleet.Attachment]
	key          uint64        // the same when the same message comes again
	skew         time.Duration // by how much the sender's clock is ahead of ours, by this message
	skewKnown    bool
	patient      bool // its sync may wait a few milliseconds for others to share it
}

// flagged is a record with what is to be known about it.
type flagged[T any] struct {
	value *T
	flags record.Flags
}

// Custody is where records are handed over: Enqueue takes them in order and gives
// the sequence of the last, EnqueuePatient those that may wait for others to share
// their sync; WaitQueue returns when a queue that was full may have room again,
// WaitDurable nil when a record is on disk. A spool is one.
type Custody interface {
	Enqueue(payloads ...[]byte) (last uint64, err error)
	EnqueuePatient(payloads ...[]byte) (last uint64, err error)
	WaitQueue(ctx context.Context) error
	WaitDurable(ctx context.Context, sequence uint64) error
}

// keeper has custody of records between the adapters and the uplink.
type keeper struct {
	gateway   []byte
	events    Custody
	telemetry Custody
	ties      *ties
	places    *places
	skews     *skews
	parts     *parts
	patience  time.Duration // with a full queue
	scratch   sync.Pool
}

func newKeeper(gateway string, events, telemetry Custody) *keeper {
	k := &keeper{gateway: []byte(gateway), events: events, telemetry: telemetry, ties: newTies(), places: newPlaces(), skews: newSkews(), parts: newParts(), patience: diskPatience}
	k.scratch.New = func() any { return new(scratch) }
	return k
}

// scratch is what encoding one batch needs; it is reused.
type scratch struct {
	encoder  record.Encoder
	line     []byte
	buffer   []byte
	ends     []int
	payloads [][]byte
}

// diskPatience is how long a full queue is waited for. Most senders of HL7 wait for
// their answer for half a minute.
const diskPatience = 10 * time.Second

// receipt says which records to wait for; 0 is none.
type receipt struct {
	keeper            *keeper
	events, telemetry uint64
	parts             bool // the message names parts
	err               error
}

// Wait returns nil when everything the message became is durable. When it is not
// the message comes again, and its parts must be told then.
func (r receipt) Wait(ctx context.Context) error {
	err := r.wait(ctx)
	if err != nil && r.err == nil && r.parts {
		r.keeper.parts.forgetAll()
	}
	return err
}

func (r receipt) wait(ctx context.Context) error {
	if r.err != nil {
		return r.err
	}
	if r.events != 0 {
		if err := r.keeper.events.WaitDurable(ctx, r.events); err != nil {
			return fmt.Errorf("make event durable: %w", err)
		}
	}
	if r.telemetry != 0 {
		if err := r.keeper.telemetry.WaitDurable(ctx, r.telemetry); err != nil {
			return fmt.Errorf("make observation durable: %w", err)
		}
	}
	return nil
}

// keep hands a batch to the spools and waits for nothing.
func (k *keeper) keep(b *batch) receipt { return k.keepWithin(context.Background(), b, 0) }

// keepWithin hands a batch to the spools. Events go first: when they cannot be kept
// the message is not acknowledged, and its readings come again with it. While only
// a spool's queue in memory is full it waits, for each spool at most the time given
// and not longer than ctx: the disk is slow then and takes what it has.
func (k *keeper) keepWithin(ctx context.Context, b *batch, patience time.Duration) receipt {
	s := k.scratch.Get().(*scratch)
	defer k.scratch.Put(s)
	r := receipt{keeper: k, parts: len(b.attachments) > 0}
	k.encodeEvents(s, b)
	r.events, r.err = k.put(ctx, k.events, s, b.patient, patience)
	if r.err != nil && r.parts {
		k.parts.forget(b.attachments)
	}
	if r.err == nil {
		k.encodeObservations(s, b)
		r.telemetry, r.err = k.put(ctx, k.telemetry, s, b.patient, patience)
	}
	return r
}

// put hands over what is encoded.
func (k *keeper) put(ctx context.Context, log Custody, s *scratch, patient bool, patience time.Duration) (uint64, error) {
	if len(s.ends) == 0 {
		return 0, nil
	}
	s.payloads = s.payloads[:0]
	start := 0
	for _, end := range s.ends {
		s.payloads = append(s.payloads, s.buffer[start:end])
		start = end
	}
	last, err := enqueue(ctx, log, s.payloads, patient, patience)
	if errors.Is(err, spool.ErrFull) {
		return 0, medfleet.Retryable(fmt.Errorf("keep record: %w", err), 0)
	}
	return last, err
}

// enqueue tries again after each round of the disk until its patience ends. A disk
// that fails ends rounds too; then the queue takes the records, and waiting for them
// tells.
func enqueue(ctx context.Context, log Custody, payloads [][]byte, patient bool, patience time.Duration) (uint64, error) {
	last, err := handTo(log, payloads, patient)
	if patience == 0 || !spool.QueueFull(err) {
		return last, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for spool.QueueFull(err) {
		if ended := log.WaitQueue(ctx); ended != nil {
			return 0, fmt.Errorf("%w: %w", err, ended)
		}
		last, err = handTo(log, payloads, patient)
	}
	return last, err
}

func handTo(log Custody, payloads [][]byte, patient bool) (uint64, error) {
	if patient {
		return log.EnqueuePatient(payloads...)
	}
	return log.Enqueue(payloads...)
}

func (s *scratch) begin() { s.buffer, s.ends = s.buffer[:0], s.ends[:0] }

func (k *keeper) encodeEvents(s *scratch, b *batch) {
	s.begin()
	for _, e := range b.events {
		k.places.complete(&e.value.Equipment)
		e.value.Feed = b.feed
		s.line = s.encoder.Event(s.line[:0], e.value)
		k.seal(s, b.received, record.Event, e.flags, Events)
	}
	for _, a := range b.attachments {
		if k.parts.news(a, b.received) {
			s.line = s.encoder.Attachment(s.line[:0], a.value)
			k.seal(s, b.received, record.Attachment, a.flags, Events)
		}
	}
}

func (k *keeper) encodeObservations(s *scratch, b *batch) {
	s.begin()
	for i, o := range b.observations {
		k.places.complete(&o.value.Equipment)
		o.value.Feed = b.feed
		if b.skewKnown {
			k.skews.tell(o.value, b.skew)
		}
		o.value.Time = k.ties.settle(o.value.Device, o.value.Time, b.key+uint64(i))
		s.line = s.encoder.Observation(s.line[:0], o.value)
		k.seal(s, b.received, record.Observation, o.flags, Telemetry)
	}
}

// seal puts the line into an envelope. Its epoch and sequence are the spool's to
// give; they are written in when the record is read for sending.
func (k *keeper) seal(s *scratch, received medfleet.Millis, kind record.Kind, flags record.Flags, stream string) {
	if len(s.line) == 0 {
		return
	}
	e := record.Envelope{Kind: kind, Flags: flags, Received: received, Gateway: k.gateway, Stream: []byte(stream), Line: s.line}
	s.buffer = e.Append(s.buffer)
	s.ends = append(s.ends, len(s.buffer))
}

// beat keeps the lines of one heartbeat, together and in order. It travels with
// the events: a disk full of readings must not make a gateway look dead.
func (k *keeper) beat(ctx context.Context, lines [][]byte, at medfleet.Millis) error {
	payloads := make([][]byte, len(lines))
	for i, line := range lines {
		e := record.Envelope{Kind: record.Heartbeat, Received: at, Gateway: k.gateway, Stream: []byte(Events), Line: line}
		payloads[i] = e.Append(nil)
	}
	last, err := enqueue(ctx, k.events, payloads, false, k.patience)
	if err != nil {
		return err
	}
	return k.events.WaitDurable(ctx, last)
}
