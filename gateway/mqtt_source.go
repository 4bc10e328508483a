package gateway

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"sync"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/record"
)

// mqttKeeper makes records of MQTT messages and waits until they are durable.
type mqttKeeper struct {
	keeper  *keeper
	feed    string // its name, in the heartbeat and on every record
	site    string // of devices whose topic names none that can be read
	dead    *deadLetters
	counts  *Counts
	readers sync.Pool
	heard   lastHeard

	others     *foreign.Set // nil for none
	foreigners sync.Pool
}

// newMQTTKeeper gives the keeper of one feed; others are the mappings, nil for none.
func (g *Gateway) newMQTTKeeper(feed string, o *Options, others *foreign.Set) *mqttKeeper {
	seed := maphash.MakeSeed()
	m := &mqttKeeper{keeper: g.keeper, feed: feedName(feed), site: o.Site, dead: g.dead, counts: &g.counts, others: others}
	m.readers.New = func() any { return mqtt.NewContract(o.Profiles, o.ID, seed) }
	m.foreigners.New = func() any { return &foreignWorker{reader: others.NewReader()} }
	return m
}

// Take hands a message to the spools and does not wait for them.
func (m *mqttKeeper) Take(msg mqtt.Message, received medfleet.Millis) mqtt.Receipt {
	m.heard.set(received)
	if m.isForeign(msg.Topic) {
		return m.takeForeign(msg, received)
	}
	r, err := m.enqueue(msg, received)
	if err != nil {
		return m.without(msg, err)
	}
	return &mqttReceipt{keeper: m, record: r}
}

// without gives the receipt for a message that became nothing. What is not
// understood becomes a dead letter.
func (m *mqttKeeper) without(msg mqtt.Message, err error) mqtt.Receipt {
	if errors.Is(err, mqtt.ErrNothing) {
		return nothingReceipt{m}
	}
	return &asideReceipt{m, m.post(msg, err)}
}

func (m *mqttKeeper) post(msg mqtt.Message, reason error) posted {
	return m.dead.post(DeadLetter{Source: "mqtt", Reason: reason.Error(), Bytes: len(msg.Payload)}, true)
}

// nothingReceipt is for a message that says nothing to us.
type nothingReceipt struct{ keeper *mqttKeeper }

func (r nothingReceipt) Wait(context.Context) error {
	r.keeper.counts.Nothing.Add(1)
	return nil
}

// asideReceipt is for a message that is not understood: it is acknowledged all the
// same, for the device would send it for ever.
type asideReceipt struct {
	keeper *mqttKeeper
	letter posted
}

func (r *asideReceipt) Wait(ctx context.Context) error {
	r.keeper.counts.NotUnderstood.Add(1)
	return r.letter.Wait(ctx)
}

// mqttReceipt waits for what a message became.
type mqttReceipt struct {
	keeper *mqttKeeper
	record receipt
}

// Wait returns nil when the message is in custody.
func (r *mqttReceipt) Wait(ctx context.Context) error {
	m := r.keeper
	if err := r.record.Wait(ctx); err != nil {
		m.counts.NotKept.Add(1)
		return err
	}
	m.counts.Kept.Add(1)
	return nil
}

// enqueue reads the message and hands it to the spools before the reader's
// memory is given back.
func (m *mqttKeeper) enqueue(msg mqtt.Message, received medfleet.Millis) (receipt, error) {
	reader := m.readers.Get().(*mqtt.Contract)
	said, err := read(reader, msg, received)
	if errors.Is(err, errPanic) {
		return receipt{}, err // the reader's memory may be anything: it is not used again
	}
	defer m.readers.Put(reader)
	if err != nil {
		return receipt{}, err
	}
	if said.Event != nil && !m.keeper.places.classed(&said.Event.Equipment) {
		return receipt{}, mqtt.ErrNothing // the connection of a device that has never said anything
	}
	m.counts.Dropped.Add(uint64(said.Dropped))
	m.counts.Implausible.Add(uint64(said.Refused))
	b := batch{feed: m.feed, received: received, key: said.Key, patient: true}
	if said.Sent != 0 {
		b.skew, b.skewKnown = said.Sent.Sub(received), true
	}
	flags := mqttFlags(said)
	if said.Observation != nil {
		said.Observation.Site = cmp.Or(said.Observation.Site, m.site)
		said.Observation.DeviceTime = said.DeviceTime
		b.observations = []flagged[medfleet.Observation]{{said.Observation, flags}}
	}
	if said.Event != nil {
		said.Event.Site = cmp.Or(said.Event.Site, m.site)
		said.Event.DeviceTime = said.DeviceTime
		b.events = []flagged[medfleet.Event]{{said.Event, flags}}
	}
	return m.keeper.keep(&b), nil
}

var errPanic = errors.New("reading the message failed inside the gateway: please report it, with what the device sends")

// read is reader.Read, but one message that the reader cannot bear costs no other.
func read(reader *mqtt.Contract, msg mqtt.Message, received medfleet.Millis) (said mqtt.Reading, err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return reader.Read(msg, received)
}

func mqttFlags(said mqtt.Reading) (f record.Flags) {
	if said.Retained {
		f |= record.Retained
	}
	if said.Clamped {
		f |= record.Clamped
	}
	return f
}
