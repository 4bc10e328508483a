package gateway

import (
	"context"
	"errors"

	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
)

// maxBatch bounds how many messages one frame may hold.
const maxBatch = 1000

// errBatch is the reason for the dead letter about a frame with too many messages.
var errBatch = errors.New("too many messages in one frame: send each in a frame of its own")

// batchReceipt waits for the messages that came in one frame. Their answers go
// back in one frame too, in their order: a sender that counts frames would take a
// second one for the answer to what it sends next.
type batchReceipt []mllp.Receipt

// readAll takes a frame that holds several messages, as files do (FHS, BHS: HL7
// 2.10.3) and senders that save frames. Each becomes what it would have become
// alone and has the same answer.
func (h *hl7Keeper) readAll(ctx context.Context, from mllp.Peer, w *worker, frame []byte) mllp.Receipt {
	var all batchReceipt
	for m, err := range hl7.Messages(frame) {
		if len(all) == maxBatch {
			all = append(all, h.unanswered(from, frame, errBatch))
			break
		}
		w.message = m
		if errors.Is(err, hl7.ErrNotHL7) || errors.Is(err, hl7.ErrSeparators) {
			all = append(all, h.unanswered(from, frame, err)) // nobody waits for its answer: it has no control id
			continue
		}
		all = append(all, h.one(ctx, from, w, frame, err))
	}
	if len(all) == 0 { // the envelope of a batch whose messages have frames of their own
		h.counts.Nothing.Add(1)
	}
	return all
}

// unanswered is the receipt of what has no answer but leaves a dead letter.
func (h *hl7Keeper) unanswered(from mllp.Peer, frame []byte, err error) mllp.Receipt {
	return h.aside(from, answers{}, DeadLetter{Reason: err.Error(), Bytes: len(frame)})
}

// Wait answers when all messages are durable. If one is not kept none is
// answered, so that the whole frame comes again.
func (b batchReceipt) Wait(ctx context.Context) mllp.Answer {
	var all mllp.Answer
	for _, r := range b {
		a := r.Wait(ctx)
		if a.Close {
			return a
		}
		if len(all.Frame) > 0 && len(a.Frame) > 0 && all.Frame[len(all.Frame)-1] != '\r' {
			all.Frame = append(all.Frame, '\r')
		}
		all.Frame = append(all.Frame, a.Frame...)
	}
	return all
}
