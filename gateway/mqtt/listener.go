package mqtt

import (
	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// listener is the library's but for its end. The library asks how many clients there
// are while it has its list of them locked for reading: if a client leaves just
// then, both wait for each other for ever.
type listener struct {
	listeners.Listener
	server *broker.Server
}

func (l *listener) Close(listeners.CloseFn) { l.Listener.Close(l.end) }

// end ends the connections of a listener.
func (l *listener) end(id string) {
	for _, c := range l.server.Clients.GetAll() {
		if c.Net.Listener == id && !c.Closed() {
			_ = l.server.DisconnectClient(c, packets.ErrServerShuttingDown)
		}
	}
}
