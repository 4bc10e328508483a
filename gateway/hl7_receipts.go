package gateway

import (
	"context"
	"time"

	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
	"medfleet/gateway/pcd"
)

// answerBytes has room for most answers.
const answerBytes = 320

// answers are what a message's sender may hear: when the message is durable, and
// when the disk did not take it. Either may be nothing.
type answers struct{ kept, trouble []byte }

// answers makes both, in the way this sender understands.
func (h *hl7Keeper) answers(w *worker) answers {
	a := answers{kept: h.answer(w, hl7.Accepted, nil)}
	if s := w.result.Sender; s != nil && s.OnTrouble == pcd.TroubleError {
		a.trouble = h.answer(w, hl7.Failed, &hl7.Condition{Code: 207, Severity: "E", Text: "not stored: send it again"})
	}
	return a
}

// answer makes one acknowledgement; nil is none. A monitor that is asked gets none
// unless a message or the configuration of its sender asks for one.
func (h *hl7Keeper) answer(w *worker, outcome hl7.Outcome, why *hl7.Condition) []byte {
	mode := ackMode(w.result.Sender)
	if w.feed.polled && outcome == hl7.Accepted && mode == hl7.AckAuto && !asks(&w.message) {
		return nil
	}
	frame, wanted := hl7.Ack(make([]byte, 0, answerBytes), &w.message, outcome, hl7.AckOptions{Mode: mode, Now: time.Now(), Error: why})
	if !wanted {
		return nil
	}
	return frame
}

// asks says that a message asks for an acknowledgement in so many words.
func asks(m *hl7.Message) bool {
	return !m.Header().Field(15).IsEmpty() || !m.Header().Field(16).IsEmpty()
}

func ackMode(s *pcd.Sender) hl7.AckMode {
	switch {
	case s == nil:
		return hl7.AckAuto
	case s.Answer == pcd.AnswerOriginal:
		return hl7.AckOriginal
	case s.Answer == pcd.AnswerEnhanced:
		return hl7.AckEnhanced
	}
	return hl7.AckAuto
}

// after gives the answer when what the message became is durable. When the disk
// does not take it the connection ends, after no answer or, where the sender is so
// configured, after one that says so: the sender keeps the message and sends it
// again.
func (a answers) after(h *hl7Keeper, err error) mllp.Answer {
	if err != nil {
		h.counts.NotKept.Add(1)
		return mllp.Answer{Frame: a.trouble, Close: true, NotKept: true}
	}
	return mllp.Answer{Frame: a.kept}
}

// recordReceipt waits for what a message became.
type recordReceipt struct {
	h      *hl7Keeper
	record receipt
	answers
}

// Wait answers when the records are durable.
func (r *recordReceipt) Wait(ctx context.Context) mllp.Answer {
	err := r.record.Wait(ctx)
	if err == nil {
		r.h.counts.Kept.Add(1)
	} else {
		r.h.made.forget()
		r.h.mapper.Forget()
	}
	return r.after(r.h, err)
}

// letterReceipt waits for a dead letter.
type letterReceipt struct {
	h *hl7Keeper
	answers
	letter posted
}

// aside counts a message that is not understood and hands its letter over.
func (h *hl7Keeper) aside(from mllp.Peer, a answers, l DeadLetter) mllp.Receipt {
	h.counts.NotUnderstood.Add(1)
	l.Source, l.Peer = "hl7", from.Addr.String()
	return &letterReceipt{h, a, h.dead.post(l, false)}
}

// Wait answers when the dead letter is durable.
func (r *letterReceipt) Wait(ctx context.Context) mllp.Answer {
	return r.after(r.h, r.letter.Wait(ctx))
}
