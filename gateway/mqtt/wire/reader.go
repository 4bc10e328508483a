package wire

import (
	"bufio"
	"encoding/binary"
	"io"
	"slices"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	// What came together is handled together: so much of it fits in.
	bufferBytes = 128 << 10
	// What a broker sends beside PUBLISH is a few bytes.
	maxControl = 4 << 10
)

// Reader reads packets.
type Reader struct {
	in   *bufio.Reader
	most int    // bytes of a PUBLISH
	over int    // bytes of the packet at hand that are still to be stepped over
	long []byte // a packet that the buffer does not hold
}

// NewReader gives a reader that cuts the payload off messages whose packet is
// longer than most: refused, the broker would send one again for ever and nothing
// behind it.
func NewReader(in io.Reader, most int) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, bufferBytes), most: most}
}

// Next reads a packet.
func (r *Reader) Next() (p Packet, err error) {
	h, err := r.begin()
	if err != nil {
		return Packet{}, err
	}
	p.Kind = h.kind()
	if p.Kind != packets.Publish {
		if h.Length > maxControl {
			return Packet{}, tooLong(p.Kind, h.Length)
		}
		body, err := r.body(h.Length)
		if err != nil {
			return Packet{}, err
		}
		return p, p.parseAnswer(body)
	}
	length := h.Length
	if p.Cut = length > r.most; p.Cut {
		if length, err = r.short(h); err != nil {
			return Packet{}, err
		}
	}
	body, err := r.body(length)
	if err != nil {
		return Packet{}, err
	}
	r.over += h.Length - length
	return p, p.parsePublish(h, body)
}

// begin steps over what is left of the last packet and reads the next one's header.
func (r *Reader) begin() (Header, error) {
	n, err := r.in.Discard(r.over)
	r.over -= n
	if err != nil {
		return Header{}, err
	}
	for have := 2; ; have++ {
		b, err := r.in.Peek(have)
		if err != nil {
			return Header{}, err
		}
		h, ok, err := ParseHeader(b)
		if err != nil {
			return Header{}, err
		}
		if ok {
			_, err := r.in.Discard(h.Size)
			return h, err
		}
	}
}

// short gives the length of a PUBLISH without its payload.
func (r *Reader) short(h Header) (int, error) {
	b, err := r.in.Peek(2)
	if err != nil {
		return 0, err
	}
	length := 2 + int(binary.BigEndian.Uint16(b))
	if h.qos() > 0 {
		length += idBytes
	}
	return min(length, h.Length), nil
}

// body gives the next bytes, in the buffer where they fit into it.
func (r *Reader) body(length int) ([]byte, error) {
	if length <= r.in.Size() {
		b, err := r.in.Peek(length)
		r.over = length
		return b, err
	}
	r.long = slices.Grow(r.long[:0], length)[:length]
	_, err := io.ReadFull(r.in, r.long)
	return r.long, err
}

// More reports whether the next packet has come already, so that Next does not wait.
func (r *Reader) More() bool {
	left := r.in.Buffered() - r.over
	if left < 2 {
		return false
	}
	b, err := r.in.Peek(r.over + min(left, 5))
	if err != nil {
		return false
	}
	h, ok, err := ParseHeader(b[r.over:])
	return err != nil || ok && left >= h.Size+h.Length
}
