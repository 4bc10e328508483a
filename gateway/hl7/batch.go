package hl7

import (
	"bytes"
	"iter"
)

// Messages yields the messages of a file or batch (2.10.3):
//
//	[FHS] { [BHS] { MSH ... } [BTS] } [FTS]
//
// or of bare messages one after another. The batch segments themselves are
// skipped, their counts too: they are often wrong. A message that cannot be
// read comes with its error, that of [Message.Parse], and the next one follows;
// so does, once, text that stands before the first message. Each message has
// memory of its own, and points into b as one of [Parse] does.
func Messages(b []byte) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		b := narrow(b)
		for part := range parts(b) {
			if !yield(Parse(b[part.from:part.to])) {
				return
			}
		}
	}
}

// Split yields the messages of b as they stand there, each from its MSH to its
// last byte, without the block characters of a framing and without the segments
// of the batch. It points into b. Text before the first message is left out.
func Split(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for part := range parts(b) {
			m := trimStart(b[part.from:part.to])
			if _, ok := headerName(m); !ok || nameOf(m) != nameMSH {
				continue
			}
			if i := bytes.IndexByte(m, 0x1c); i >= 0 {
				m = m[:i] // what stands behind the end of a frame is not the message's
			}
			if !yield(bytes.TrimRight(m, "\r\n\x0b")) {
				return
			}
		}
	}
}

// IsBatch says that b begins as a file or a batch does, with FHS or BHS, or with
// what ends one: a sender may frame each part of a batch by itself.
func IsBatch(b []byte) bool {
	b = narrow(b)
	for line := range lines(b) {
		if blank(b[line.from:line.to]) {
			continue
		}
		n := boundary(b[line.from:line.to])
		return n != 0 && n != nameMSH
	}
	return false
}

// narrow gives a file in UTF-16 or UTF-32 as UTF-8.
func narrow(b []byte) []byte {
	if wide, _ := wideOf(b); wide != nil {
		if decoded, err := wide.NewDecoder().Bytes(b); err == nil {
			return decoded
		}
	}
	return b
}

// parts finds the stretches of b that should each be one message.
func parts(b []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		from := -1
		for line := range lines(b) {
			switch boundary(b[line.from:line.to]) {
			case nameMSH:
				if from >= 0 && !yield(span{from, line.from}) {
					return
				}
				from = line.from
			case 0:
				if from < 0 && !blank(b[line.from:line.to]) {
					from = line.from
				}
			default:
				if from >= 0 && !yield(span{from, line.from}) {
					return
				}
				from = -1
			}
		}
		if from >= 0 {
			yield(span{from, len(b)})
		}
	}
}

// boundary names the line if it begins a message or is part of a batch, with
// or without a byte order mark or block characters before.
func boundary(line []byte) name {
	line = trimStart(line)
	n, ok := headerName(line)
	if !ok && len(line) == 3 { // a trailer without fields
		n = nameOf(line)
		ok = n != nameMSH
	}
	switch n {
	case nameMSH, nameFHS, nameBHS, nameBTS, nameFTS:
		if ok {
			return n
		}
	}
	return 0
}
