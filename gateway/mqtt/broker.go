package mqtt

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"medfleet"
)

// Keeper takes custody of a message: Keep returns nil only when what it says is
// durable, or when there is nothing in it to keep.
type Keeper interface {
	Keep(ctx context.Context, m Message, received medfleet.Millis) error
}

// Limits of the broker. A device sends small messages and waits for each; what
// goes beyond that is a mistake or an attack.
const (
	maxPacket  = 256 << 10
	maxClients = 20_000
	maxPending = 1024
	// A session holds nothing of ours: a device sends again what was not
	// acknowledged. Without a bound each client id ever seen would stay in memory.
	sessionSeconds = 300
)

// BrokerOptions are what a broker needs. With an empty User it takes everybody,
// which is for loopback only.
type BrokerOptions struct {
	User     string
	Password string
	Keeper   Keeper
	Log      *slog.Logger
}

// Broker is an MQTT broker inside the gateway. Its PUBACK is the gateway's word
// that the message is durable: a message is kept in the publish hook, which runs
// before the acknowledgement goes out.
type Broker struct {
	options BrokerOptions
	counts  Counts
	server  atomic.Pointer[broker.Server]
}

// Counts are the broker's counters.
type Counts struct {
	Messages atomic.Uint64 // taken into custody or found to say nothing
	Refused  atomic.Uint64 // not acknowledged: they could not be made durable
}

// NewBroker gives a broker that Run starts.
func NewBroker(o BrokerOptions) *Broker { return &Broker{options: o} }

// Counts gives the broker's counters.
func (b *Broker) Counts() *Counts { return &b.counts }

// Clients counts the devices that are connected now.
func (b *Broker) Clients() int64 {
	if s := b.server.Load(); s != nil {
		return atomic.LoadInt64(&s.Info.ClientsConnected)
	}
	return 0
}

// Run serves a listener until ctx ends and all clients are gone.
func (b *Broker) Run(ctx context.Context, l net.Listener) error {
	capabilities := broker.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = maxPacket
	capabilities.MaximumClients = maxClients
	capabilities.MaximumClientWritesPending = maxPending
	capabilities.MaximumSessionExpiryInterval = sessionSeconds
	capabilities.TopicAliasMaximum = 0
	server := broker.New(&broker.Options{Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(&hook{broker: b, ctx: ctx}, nil); err != nil {
		return fmt.Errorf("start MQTT broker: %w", err)
	}
	if err := server.AddListener(listeners.NewNet("mqtt", l)); err != nil {
		return fmt.Errorf("start MQTT broker on %s: %w", l.Addr(), err)
	}
	if err := server.Serve(); err != nil {
		return fmt.Errorf("serve MQTT on %s: %w", l.Addr(), err)
	}
	b.server.Store(server)
	<-ctx.Done()
	if err := server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop MQTT broker: %w", err)
	}
	return nil
}

// hook is where the broker asks us.
type hook struct {
	broker.HookBase
	broker *Broker
	ctx    context.Context // of Run: the library's hooks have none of their own
}

func (h *hook) ID() string { return "medfleet" }

func (h *hook) Provides(b byte) bool {
	switch b {
	case broker.OnConnectAuthenticate, broker.OnACLCheck, broker.OnPublish, broker.OnWill:
		return true
	}
	return false
}

func (h *hook) OnConnectAuthenticate(_ *broker.Client, pk packets.Packet) bool {
	o := &h.broker.options
	if o.User == "" {
		return true
	}
	user := subtle.ConstantTimeCompare(pk.Connect.Username, []byte(o.User))
	password := subtle.ConstantTimeCompare(pk.Connect.Password, []byte(o.Password))
	return user&password == 1
}

// OnACLCheck lets devices publish under the contract. Nobody may subscribe:
// what devices say is for the gateway alone.
func (h *hook) OnACLCheck(_ *broker.Client, name string, write bool) bool {
	return write && strings.HasPrefix(name, Root+"/")
}

// OnWill keeps last wills out of the broker's memory: nobody may read them there.
func (h *hook) OnWill(_ *broker.Client, will broker.Will) (broker.Will, error) {
	will.Retain = false
	return will, nil
}

// OnPublish runs before PUBACK. Any error but ErrRejectPacket would still be
// acknowledged by the library, so that is the one returned; the client is closed
// so that the device sends the message again on its next connection.
func (h *hook) OnPublish(cl *broker.Client, pk packets.Packet) (packets.Packet, error) {
	m := Message{Topic: pk.TopicName, Payload: pk.Payload}
	err := h.broker.options.Keeper.Keep(h.ctx, m, medfleet.AsMillis(time.Now()))
	if err == nil {
		h.broker.counts.Messages.Add(1)
		pk.FixedHeader.Retain = false // nothing of a device's stays in the broker's memory
		return pk, nil
	}
	h.broker.counts.Refused.Add(1)
	if h.ctx.Err() == nil {
		h.broker.options.Log.Error("MQTT message not acknowledged; the device keeps it and sends it again", "error", err)
	}
	cl.Stop(packets.ErrServerUnavailable)
	return pk, packets.ErrRejectPacket
}
