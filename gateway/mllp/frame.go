// Package mllp carries HL7 messages over TCP in the minimal lower layer
// protocol (HL7 Transport Specification: MLLP): a start block 0x0B, the message,
// an end block 0x1C and a carriage return. Release 2 of the protocol adds commit
// frames, by whose one byte a receiver says that a message is stored (ACK, 0x06)
// or is not (NAK, 0x15). The package knows bytes only; what a message means and
// whether it is stored belongs to the [Handler].
//
// A [Listener] takes messages from many senders; a [Dialer] connects to a
// station that sends, and may ask it for what it has. Both answer each
// connection in the order of its messages, each only once its [Receipt] is
// settled: the acknowledgement travels behind the storage. A [Client] sends
// messages and matches answers by control id, never by position.
//
// Everything is bounded: connections, bytes in frames, messages waiting for
// their answer, and the time a frame may take.
package mllp

import "bytes"

const (
	startBlock = 0x0b
	endBlock   = 0x1c
	endFrame   = 0x0d
	commitAck  = 0x06 // release 2: the message is stored
	commitNak  = 0x15 // release 2: it is not; send it again
)

// DefaultMaxFrame is the longest message taken unless configured otherwise, in
// bytes. Waveform messages reach about 100 KiB.
const DefaultMaxFrame = 1 << 20

// AppendFrame appends message as one frame. Block characters inside it, which
// no frame can carry, become blanks.
func AppendFrame(dst, message []byte) []byte {
	dst = append(dst, startBlock)
	from := len(dst)
	dst = append(dst, message...)
	if body := dst[from:]; bytes.IndexByte(body, startBlock) >= 0 || bytes.IndexByte(body, endBlock) >= 0 {
		for i, c := range body {
			if c == startBlock || c == endBlock {
				body[i] = ' '
			}
		}
	}
	return append(dst, endBlock, endFrame)
}

// appendCommit appends a commit frame of release 2: the message is stored, or not.
func appendCommit(dst []byte, kept bool) []byte {
	if kept {
		return append(dst, startBlock, commitAck, endBlock, endFrame)
	}
	return append(dst, startBlock, commitNak, endBlock, endFrame)
}

func isCommit(frame []byte) bool {
	return len(frame) == 1 && (frame[0] == commitAck || frame[0] == commitNak)
}
