package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
	"medfleet/gateway/pcd"
	"medfleet/profiles"
	"medfleet/record"
)

// hl7Keeper makes records of HL7 messages. An answer leaves when what the message
// became is durable; which cause gets which answer is one table, in verdict.
type hl7Keeper struct {
	keeper  *keeper
	dead    *deadLetters
	counts  *Counts
	mapper  *pcd.Mapper
	made    *makings
	words   *profiles.Set
	seed    maphash.Seed
	digest  []byte // key of the digests of what was no HL7; made anew at each start
	workers sync.Pool
	reading chan struct{}         // one for each message that is being read
	senders map[string]*hl7Sender // by the name in the configuration
	door    doorLetters
}

// maxReading is how many messages are read at a time. It is more than there are
// processors, because some wait for a disk that is behind, and bounds what a
// thousand senders take that speak at once: a worker has some 18 kB.
const maxReading = 32

// worker is what reading one message needs; it is reused.
type worker struct {
	message hl7.Message
	result  pcd.Result
	batch   batch
	made    []medfleet.Event // of serial numbers and revisions
	feed    *hl7Feed
	by      string // the feed by which the message came
}

func newHL7Keeper(k *keeper, dead *deadLetters, counts *Counts, c HL7Config, set *profiles.Set, site, gateway string) (*hl7Keeper, error) {
	mapper, err := pcd.New(pcd.Options{Config: c.Config, Profiles: set, Site: site, Gateway: gateway})
	if err != nil {
		return nil, fmt.Errorf("gateway.hl7: %w", err)
	}
	h := &hl7Keeper{
		keeper: k, dead: dead, counts: counts, mapper: mapper, made: newMakings(), words: set, seed: maphash.MakeSeed(), digest: make([]byte, 32),
		senders: newHL7Senders(c.Config),
	}
	h.workers.New = func() any { return new(worker) }
	h.reading = make(chan struct{}, maxReading)
	if _, err := rand.Read(h.digest); err != nil {
		return nil, fmt.Errorf("make digest key: %w", err)
	}
	return h, nil
}

// hl7Feed is one way in: a listener, a station or a monitor.
type hl7Feed struct {
	*hl7Keeper
	name    string // in the heartbeat and on every record
	polled  bool   // a monitor that is asked: it waits for no acknowledgement
	listens bool   // senders connect to it, and may be feeds of their own

	connections connections
}

// newHL7Feed gives a feed the name that it has in the configuration; the address
// of the section itself may have none.
func newHL7Feed(h *hl7Keeper, name string) *hl7Feed {
	return &hl7Feed{hl7Keeper: h, name: feedName(strings.TrimSpace("hl7 " + name))}
}

// Accept takes one message. What it needs of the frame is copied or encoded
// before it returns.
func (f *hl7Feed) Accept(ctx context.Context, from mllp.Peer, frame []byte) mllp.Receipt {
	if !f.enter(ctx) {
		return answers{}.after(f.hl7Keeper, errBehind)
	}
	defer func() { <-f.reading }()
	w := f.workers.Get().(*worker)
	w.feed = f
	receipt := f.read(ctx, from, w, frame)
	f.workers.Put(w) // not after a panic: its memory may be anything then
	return receipt
}

var errBehind = errors.New("the disk is behind")

// enter waits for its turn, as long as for a full queue: those before it may wait
// for one.
func (h *hl7Keeper) enter(ctx context.Context) bool {
	select {
	case h.reading <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, h.keeper.patience)
	defer cancel()
	select {
	case h.reading <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *hl7Keeper) read(ctx context.Context, from mllp.Peer, w *worker, frame []byte) mllp.Receipt {
	err := w.message.Parse(frame)
	if errors.Is(err, hl7.ErrSeveralMessages) || errors.Is(err, hl7.ErrNotHL7) && hl7.IsBatch(frame) {
		return h.readAll(ctx, from, w, frame)
	}
	return h.one(ctx, from, w, frame, err)
}

// one gives the receipt of the message in w, or of the frame that could not be
// read as one.
func (h *hl7Keeper) one(ctx context.Context, from mllp.Peer, w *worker, frame []byte, err error) mllp.Receipt {
	w.result.Reset()
	if err != nil {
		return h.broken(ctx, from, w, frame, err)
	}
	if w.feed.polled && isEcho(&w.message) {
		h.counts.Echoes.Add(1)
		return mllp.Answer{Frame: h.answer(w, hl7.Accepted, nil)}
	}
	received := now()
	h.mapper.Map(&w.result, &w.message, from.Addr.Addr(), received)
	w.by = w.feed.came(from, w.result.Sender, received)
	h.counts.Dropped.Add(uint64(w.result.Dropped.Segments + w.result.Dropped.Rows))
	h.counts.Implausible.Add(uint64(w.result.Dropped.Values))
	return h.verdict(ctx, from, w, received)
}

// broken is a frame that is no message we can read. What has a header is HL7 and
// is answered as such; its sender would send it for ever.
func (h *hl7Keeper) broken(ctx context.Context, from mllp.Peer, w *worker, frame []byte, err error) mllp.Receipt {
	if errors.Is(err, hl7.ErrNotHL7) || errors.Is(err, hl7.ErrSeparators) {
		return h.noHL7(ctx, from, frame, "not HL7: it does not begin with MSH and usable separators")
	}
	return h.aside(from, h.answers(w), DeadLetter{Reason: err.Error(), Bytes: len(frame)})
}

// noQueries is what a sender hears that asks us something.
var noQueries = hl7.Condition{Location: "MSH^1^9", Code: 200, Severity: "E", Text: "this receiver answers no queries"}

func (h *hl7Keeper) verdict(ctx context.Context, from mllp.Peer, w *worker, received medfleet.Millis) mllp.Receipt {
	switch w.result.Verdict {
	case pcd.AsksUs:
		h.counts.Asked.Add(1)
		return mllp.Answer{Frame: h.answer(w, hl7.Rejected, &noQueries)}
	case pcd.NotUnderstood:
		return h.aside(from, h.answers(w), DeadLetter{
			Reason: w.result.Reason, Bytes: len(w.message.Raw()), Skeleton: pcd.Skeleton(nil, &w.message),
		})
	case pcd.NothingForUs:
		h.counts.Nothing.Add(1)
	}
	return &recordReceipt{h, h.keeper.keepWithin(ctx, h.gather(w, received), h.keeper.patience), h.answers(w)}
}

// gather makes a batch of what the message became.
func (h *hl7Keeper) gather(w *worker, received medfleet.Millis) *batch {
	b := &w.batch
	b.skew, b.skewKnown = w.result.Skew, w.result.SkewKnown
	b.feed, b.received, b.key = w.by, received, maphash.Bytes(h.seed, w.message.Raw())
	b.observations, b.events, b.attachments = b.observations[:0], b.events[:0], b.attachments[:0]
	for i := range w.result.Observations {
		w.result.Observations[i].DeviceTime = w.result.ObservationMarks[i].DeviceTime
		b.observations = append(b.observations, flagged[medfleet.Observation]{&w.result.Observations[i], hl7Flags(w.result.ObservationMarks[i])})
	}
	for i := range w.result.Events {
		w.result.Events[i].DeviceTime = w.result.EventMarks[i].DeviceTime
		b.events = append(b.events, flagged[medfleet.Event]{&w.result.Events[i], hl7Flags(w.result.EventMarks[i])})
	}
	h.gatherMakings(w, b)
	for i := range w.result.Attachments {
		b.attachments = append(b.attachments, flagged[medfleet.Attachment]{&w.result.Attachments[i], hl7Flags(w.result.AttachmentMarks[i])})
	}
	return b
}

// gatherMakings adds what is new of serial numbers and revisions, as events.
func (h *hl7Keeper) gatherMakings(w *worker, b *batch) {
	w.made = w.made[:0]
	for i := range w.result.Identities {
		id := &w.result.Identities[i]
		for k := range w.result.Observations {
			o := &w.result.Observations[k]
			if o.Device != id.Device {
				continue
			}
			like := medfleet.Event{Equipment: o.Equipment, Time: o.Time, DeviceTime: o.DeviceTime, Gateway: o.Gateway}
			from := len(w.made)
			w.made = h.made.news(w.made, id, like, b.received)
			for range w.made[from:] {
				b.events = append(b.events, flagged[medfleet.Event]{nil, hl7Flags(w.result.ObservationMarks[k])})
			}
			break
		}
	}
	for i := range w.made { // only now do they stay where they are
		e := &w.made[i]
		if c, ok := h.words.Condition(e.Condition); ok {
			e.Text = c.Title
		}
		b.events[len(b.events)-len(w.made)+i].value = e
	}
}

func hl7Flags(m pcd.Mark) (f record.Flags) {
	if m.Clamped {
		f |= record.Clamped
	}
	if m.NotInService {
		f |= record.NotInService
	}
	if m.Historical {
		f |= record.Historical
	}
	return f
}

// noHL7 keeps of input that is not taken its length, a keyed digest, the peer and
// the reason, and gives its refusal.
func (h *hl7Keeper) noHL7(ctx context.Context, from mllp.Peer, input []byte, reason string) mllp.Answer {
	h.counts.Refused.Add(1)
	mac := hmac.New(sha256.New, h.digest)
	mac.Write(input)
	letter := DeadLetter{
		Source: "hl7", Peer: from.Addr.String(), Bytes: len(input),
		Reason: reason + "; digest " + hex.EncodeToString(mac.Sum(nil)[:8]),
	}
	if err := h.dead.keep(ctx, letter); err != nil {
		return mllp.Answer{Close: true, NotKept: true}
	}
	return rejection(input, reason)
}

// rejection refuses input that begins like this and says why, if a control id can be
// read. The reason is our words, none of the input's.
func rejection(head []byte, reason string) mllp.Answer {
	frame, wanted := hl7.Reject(nil, head, hl7.AckOptions{
		Now: time.Now(), Error: &hl7.Condition{Code: 207, Severity: "E", Text: reason},
	})
	if !wanted {
		frame = nil
	}
	return mllp.Answer{Frame: frame, Close: true, NotKept: true}
}
