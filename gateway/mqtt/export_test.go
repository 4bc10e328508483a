package mqtt

import (
	"context"
	"net"
)

// Retained counts the messages in the broker's memory beside its own $SYS ones.
func (b *Broker) Retained() (n int) {
	for topic := range b.server.Load().Topics.Retained.GetAll() {
		if topic[0] != '$' {
			n++
		}
	}
	return n
}

// Serving reports whether Run has come so far.
func (b *Broker) Serving() bool { return b.server.Load() != nil }

// NewGate gives a gate before a connection.
func NewGate(c net.Conn) net.Conn { return &gate{Conn: c} }

// Converse has a broker speak over connections, one after the other, and tells why each
// has ended. When all is left to the library the gates only hold back answers.
func (b *Broker) Converse(ctx context.Context, leaving bool, conns ...net.Conn) (ends []error, err error) {
	server, err := b.library(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range conns {
		g := &gate{Conn: c, broker: b, ctx: ctx}
		if leaving {
			g.passing = always
		}
		ends = append(ends, server.EstablishConnection("mqtt", g))
	}
	return ends, nil
}

// MaxDue is how many messages may be between devices and disk before each is waited for.
const MaxDue = maxDue
