package mqtt

import (
	"net"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// MaxPacket is the longest PUBLISH that is passed on whole.
const MaxPacket = maxPacket

// GroupMost is how many messages wait for the disk together.
const GroupMost = groupMost

// NewLink gives a link as a session makes it.
func NewLink(conn net.Conn, window, bytes int) net.Conn {
	c := &Client{options: ClientOptions{Window: window, WindowBytes: bytes, Patience: time.Hour}}
	return newLink(conn, c)
}

// Ack is what acknowledges a message.
func Ack(m paho.Message) bool { return ack(m) }
