package mqtt

import "net"

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

// MaxDue is how many messages may be between devices and disk before each is waited for.
const MaxDue = maxDue
