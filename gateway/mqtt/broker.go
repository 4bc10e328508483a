package mqtt

import (
	"cmp"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"medfleet"
)

// Limits bound what devices can ask of the broker. A device sends small messages
// and waits for each; what goes beyond that is a mistake or an attack.
type Limits struct {
	MaxClients  int `yaml:"max_clients"`   // connections at one time; 0 is 20 000
	MaxPacket   int `yaml:"max_packet"`    // bytes of one packet; 0 is 256 KiB
	MaxInFlight int `yaml:"max_in_flight"` // messages with QoS 1 or 2 of one device that are not finished; 0 is 1 024
}

func (l Limits) packet() int  { return cmp.Or(l.MaxPacket, maxPacket) }
func (l Limits) clients() int { return cmp.Or(l.MaxClients, maxClients) }

// Check says which limit is none.
func (l Limits) Check(section string) error {
	var errs []error
	for _, one := range []struct {
		key         string
		value, most int
	}{{"max_clients", l.MaxClients, 1_000_000}, {"max_packet", l.MaxPacket, 16 << 20}, {"max_in_flight", l.MaxInFlight, 65535}} {
		if one.value < 0 || one.value > one.most {
			errs = append(errs, fmt.Errorf("%s.%s: %d: want 1 to %d, or leave it out", section, one.key, one.value, one.most))
		}
	}
	return errors.Join(errs...)
}

const (
	maxPacket   = 256 << 10
	maxClients  = 20_000
	maxInFlight = 1024
	maxPending  = 8 // packets to a device that waits: nobody subscribes
	// What one device sends without waiting shares a sync if it fits in here.
	readAhead = 8 << 10
	// Messages of all devices between broker and disk beyond which each is waited
	// for: what the spool holds in memory has a bound.
	maxDue = 8192
	// A session holds nothing of ours: a device sends again what was not
	// acknowledged. Without a bound each client id ever seen would stay in memory.
	sessionSeconds = 300
)

// BrokerOptions are what a broker needs. With an empty User it asks for no name:
// that is for loopback, or where TLS asks each device for its certificate.
type BrokerOptions struct {
	User     string
	Password string
	TLS      *tls.Config // nil for plain text
	Limits
	Greeting time.Duration           // for a device to say who it is; 0 is 10 s
	Allows   func(topic string) bool // topics beside the contract's that devices may publish under; nil for none
	Taker    Taker
	Log      *slog.Logger
}

// Broker is an MQTT broker inside the gateway. Its PUBACK is the gateway's word
// that the message is durable: a message is handed to the disk by its device's gate,
// which holds the acknowledgement back until it is there.
type Broker struct {
	options BrokerOptions
	counts  Counts
	due     atomic.Int64 // messages behind gates
	server  atomic.Pointer[broker.Server]
	ended   atomic.Bool
}

// Counts are the broker's counters.
type Counts struct {
	Messages atomic.Uint64 // taken into custody or found to say nothing
	Refused  atomic.Uint64 // not acknowledged: they could not be made durable
	Wills    atomic.Uint64 // last wills taken into custody
	Crowded  atomic.Uint64 // connections refused because there were as many as may be
}

// NewBroker gives a broker that Run starts.
func NewBroker(o BrokerOptions) *Broker { return &Broker{options: o} }

// Counts gives the broker's counters.
func (b *Broker) Counts() *Counts { return &b.counts }

// Up reports whether devices are served, or wait at the open listener until they are.
func (b *Broker) Up() bool { return !b.ended.Load() }

// Clients counts the devices that are connected now.
func (b *Broker) Clients() int64 {
	if s := b.server.Load(); s != nil {
		return atomic.LoadInt64(&s.Info.ClientsConnected)
	}
	return 0
}

// Run serves a listener until ctx ends and all clients are gone.
func (b *Broker) Run(until context.Context, l net.Listener) error {
	defer b.ended.Store(true)
	ctx, cancel := context.WithCancel(until)
	defer cancel()
	server, err := b.library(ctx)
	if err != nil {
		return err
	}
	clients := b.options.Limits.clients()
	l = &bounded{Listener: l, room: make(chan struct{}, clients+clients/8+8), refused: &b.counts.Crowded}
	if b.options.TLS != nil {
		l = tls.NewListener(l, b.options.TLS)
	}
	if err = server.Serve(); err != nil {
		return fmt.Errorf("serve MQTT on %s: %w", l.Addr(), err)
	}
	b.server.Store(server)
	var devices sync.WaitGroup
	err = b.admit(ctx, server, l, &devices)
	cancel()
	devices.Wait()
	if err := server.Close(); err != nil {
		return fmt.Errorf("stop MQTT broker: %w", err)
	}
	if until.Err() == nil {
		return fmt.Errorf("serve MQTT on %s: %w", l.Addr(), err)
	}
	return nil
}

// admit has the library serve whoever comes, until the listener ends, and sees that all
// go when ctx ends. None of the library's own listeners is in use: to end one it locks
// its list of clients for reading twice, which waits for ever when a client comes or
// goes in between, and it ends nobody who has not said CONNECT.
func (b *Broker) admit(ctx context.Context, server *broker.Server, l net.Listener, devices *sync.WaitGroup) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		devices.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			g := &gate{Conn: c, broker: b, ctx: ctx}
			_ = g.arm(time.Now().Add(cmp.Or(b.options.Greeting, connectTime)))
			_ = server.EstablishConnection("mqtt", g) // how it ended is the device's affair
		})
	}
}

// library sets up the library for our ends.
func (b *Broker) library(ctx context.Context) (*broker.Server, error) {
	capabilities := broker.NewDefaultServerCapabilities()
	limits := b.options.Limits
	capabilities.MaximumPacketSize = uint32(limits.packet())
	capabilities.MaximumClients = int64(limits.clients())
	capabilities.ReceiveMaximum = uint16(cmp.Or(limits.MaxInFlight, maxInFlight))
	capabilities.MaximumInflight = capabilities.ReceiveMaximum
	capabilities.MaximumClientWritesPending = maxPending
	capabilities.MaximumSessionExpiryInterval = sessionSeconds
	capabilities.TopicAliasMaximum = 0
	server := broker.New(&broker.Options{
		Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler), ClientNetReadBufferSize: readAhead,
	})
	if err := server.AddHook(&hook{broker: b, clients: server.Clients, ctx: ctx}, nil); err != nil {
		return nil, fmt.Errorf("start MQTT broker: %w", err)
	}
	return server, nil
}

// hook is where the broker asks us.
type hook struct {
	broker.HookBase
	broker   *Broker
	clients  *broker.Clients
	replaced sync.Map        // *broker.Client whose device is here on a newer connection
	ctx      context.Context // of Run: the library's hooks have none of their own
}

func (h *hook) ID() string { return "medfleet" }

func (h *hook) Provides(b byte) bool {
	switch b {
	case broker.OnConnectAuthenticate, broker.OnACLCheck, broker.OnPublish, broker.OnDisconnect,
		broker.OnSessionEstablish, broker.OnSessionEstablished, broker.OnWill, broker.OnWillSent:
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
	return write && h.broker.takes(name)
}

func (b *Broker) takes(topic string) bool {
	return strings.HasPrefix(topic, Root+"/") || b.options.Allows != nil && b.options.Allows(topic)
}

// OnSessionEstablish comes before an older connection of the same device is ended:
// the device is here, so its last will is not due.
func (h *hook) OnSessionEstablish(cl *broker.Client, _ packets.Packet) {
	older, ok := h.clients.Get(cl.ID)
	if !ok {
		return
	}
	h.replaced.Store(older, true)
	if older.Closed() {
		h.replaced.Delete(older) // nobody would any more
	}
}

// OnSessionEstablished comes when a device has been let in.
func (h *hook) OnSessionEstablished(cl *broker.Client, _ packets.Packet) {
	cl.Net.Conn.(*gate).client = cl
}

// unsay takes a last will back. It is for the goroutine that reads.
func unsay(cl *broker.Client) { atomic.StoreUint32(&cl.Properties.Will.Flag, 0) }

// OnWill keeps last wills out of the broker's memory: nobody may read them there.
func (h *hook) OnWill(_ *broker.Client, will broker.Will) (broker.Will, error) {
	will.Retain = false
	return will, nil
}

// OnWillSent keeps what a device has left to be said when its connection ends
// without a goodbye. The library asks nobody whether it may be said under its topic.
func (h *hook) OnWillSent(cl *broker.Client, pk packets.Packet) {
	if _, here := h.replaced.Load(cl); here {
		return
	}
	if h.ctx.Err() != nil || !h.broker.takes(pk.TopicName) {
		return // it is the broker that ends, not the device
	}
	if err := h.broker.hand(pk.TopicName, pk.Payload, time.Now()).Wait(h.ctx); err == nil {
		h.broker.counts.Wills.Add(1)
	} else if h.ctx.Err() == nil {
		h.broker.options.Log.Error("last will of an MQTT device not kept; the device will be missed by its silence", "error", err)
	}
}

// hand hands a message to the disk. One that asks to be retained is as new as any
// other: it comes from its device.
func (b *Broker) hand(topic string, payload []byte, came time.Time) Receipt {
	return b.options.Taker.Take(Message{Topic: topic, Payload: payload}, medfleet.AsMillis(came))
}

// OnPublish takes the messages that the gate leaves to the library, as the gate does.
// With that the library's work is done: there is nobody to pass the message on to. Of
// a message with QoS 2 the library remembers what it has answered, also for the
// device's next connection; so that is waited for here.
func (h *hook) OnPublish(cl *broker.Client, pk packets.Packet) (packets.Packet, error) {
	g, qos := cl.Net.Conn.(*gate), pk.FixedHeader.Qos
	g.take(h.broker.hand(pk.TopicName, pk.Payload, time.Now()), qos, pk.PacketID)
	if qos == 2 || h.broker.crowded() {
		switch err := g.settle(); {
		case err != nil:
			cl.Stop(packets.ErrServerUnavailable)
		case qos == 2:
			pk.FixedHeader.Retain = false // nothing of a device's stays in the broker's memory
			return pk, nil
		}
	}
	return pk, packets.ErrRejectPacket
}

// crowded reports whether so much is between devices and disk that each message is
// waited for.
func (b *Broker) crowded() bool { return b.due.Load() > maxDue }

// OnDisconnect comes when a client is gone, its last will said. It waits for what
// came before a device's goodbye.
func (h *hook) OnDisconnect(cl *broker.Client, _ error, _ bool) {
	h.replaced.Delete(cl)
	_ = cl.Net.Conn.(*gate).settle() // told already, or nobody is left to be told
}

// refused tells of messages that were not kept, whose device is sent away.
func (b *Broker) refused(ctx context.Context, messages int, err error) {
	b.counts.Refused.Add(uint64(messages))
	if ctx.Err() == nil {
		b.options.Log.Error("MQTT message not acknowledged; the device keeps it and sends it again", "error", err)
	}
}
