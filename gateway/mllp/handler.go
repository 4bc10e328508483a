package mllp

import (
	"context"
	"crypto/tls"
	"net/netip"
)

// Handler takes custody of messages. Its methods are called from many
// connections at once, for one connection one after another.
type Handler interface {
	// Accept takes custody of one message. It hands the message to durable storage
	// and returns a Receipt, and the answer is sent only when Receipt.Wait has
	// returned, in the order of the messages. While Accept waits for room its sender
	// is not read from, and hears nothing. The frame is valid until Accept returns.
	// A nil Receipt means no answer.
	//
	// If Accept or Wait panics, the panic is counted and Refuse is asked for the
	// answer; the connection stays.
	Accept(ctx context.Context, from Peer, frame []byte) Receipt

	// Refuse says what to answer to a sender whose input is not taken, if
	// anything. head is the beginning of that input, at most 4 KiB, valid until
	// Refuse returns; it is nil when nothing was read or it is gone, as after a
	// panic of Wait. But for Panicked, the connection is closed after the answer.
	Refuse(ctx context.Context, from Peer, reason Reason, head []byte) Answer
}

// Listening is a Handler that wants to know when a connection by which it may have
// been asked is gone. Ended is called once for each, after its last Accept.
type Listening interface {
	Ended(from Peer)
}

// Receipt stands for a message on its way to durable storage.
type Receipt interface {
	// Wait blocks until the message's fate is known or ctx is done. After ctx is
	// done its answer is not sent: the sender has no acknowledgement and will
	// send the message again. Wait is called at most once, and not at all when
	// the connection ends before its turn.
	Wait(ctx context.Context) Answer
}

// Settled is a Receipt that may know already. A receipt that implements it
// lets answers that are ready leave in one write.
type Settled interface {
	// Settled says that Wait would return at once.
	Settled() bool
}

// Answer is what goes back to the sender of one message.
type Answer struct {
	Frame []byte // the message, without block characters; nil: no answer
	Close bool   // close the connection after the answer
	// NotKept says that the message is not in custody: in release 2 it gets a NAK.
	NotKept bool
}

// Wait makes an Answer a Receipt that is settled from the start.
func (a Answer) Wait(context.Context) Answer { return a }

// Settled is true.
func (a Answer) Settled() bool { return true }

// ReceiptFunc makes a function a Receipt.
type ReceiptFunc func(ctx context.Context) Answer

// Wait calls f.
func (f ReceiptFunc) Wait(ctx context.Context) Answer { return f(ctx) }

// Peer is the other end of a connection.
type Peer struct {
	Addr netip.AddrPort       // zero for a connection that is not TCP
	Conn uint64               // number of the connection since the listener began
	TLS  *tls.ConnectionState // nil without TLS
}

// Reason says why input is not taken.
type Reason uint8

// The reasons.
const (
	NotAllowed Reason = iota + 1 // the sender is not on the allow-list
	TooMany                      // the connection is one too many; head is nil and no answer is sent
	TooLarge                     // the message is over the limit
	NotFramed                    // no start block
	TooSlow                      // the frame was not complete in time
	Busy                         // the connections hold too many bytes of unfinished frames
	Panicked                     // the handler panicked on this message
)

// String names the reason in words fit for a log.
func (r Reason) String() string {
	switch r {
	case NotAllowed:
		return "sender not on the allow-list"
	case TooMany:
		return "too many connections"
	case TooLarge:
		return "message over the limit"
	case NotFramed:
		return "not MLLP"
	case TooSlow:
		return "frame not complete in time"
	case Busy:
		return "too many bytes in unfinished frames"
	case Panicked:
		return "handler panicked"
	}
	return "unknown reason"
}
