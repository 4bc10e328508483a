package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"medfleet"
	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
	"medfleet/profiles"
	"medfleet/record"
)

// foreignWorker is what reading one message of another maker needs; it is reused.
type foreignWorker struct {
	reader *foreign.Reader
	batch  batch
}

// isForeign tells messages that are read by a mapping from those of our contract.
func (m *mqttKeeper) isForeign(topic string) bool {
	return m.others != nil && !strings.HasPrefix(topic, mqtt.Root+"/")
}

// takeForeign hands what a message of another maker became to the spools. What of
// it cannot be used becomes a dead letter beside the rest.
func (m *mqttKeeper) takeForeign(msg mqtt.Message, received medfleet.Millis) mqtt.Receipt {
	w := m.foreigners.Get().(*foreignWorker)
	said, err := readForeign(w.reader, msg, received)
	if errors.Is(err, errPanic) {
		// The reader's memory may be anything: it is not used again.
		return &foreignReceipt{m, m.without(msg, err), nil}
	}
	defer m.foreigners.Put(w)
	m.counts.Dropped.Add(uint64(said.Dropped))
	m.counts.Implausible.Add(uint64(said.Refused))
	m.counts.UnknownCodes.Add(uint64(said.Unknown))
	if err != nil {
		return &foreignReceipt{m, m.without(msg, err), nil}
	}
	r := &foreignReceipt{keeper: m}
	if said.Lost > 0 {
		aside := m.post(msg, fmt.Errorf("%d entries of the message: the first: %w", said.Lost, said.Trouble))
		r.aside = &asideReceipt{m, aside}
	}
	r.all = &mqttReceipt{m, m.keeper.keep(w.gather(m, said, received))}
	return r
}

// gather makes a batch of what a message says.
func (w *foreignWorker) gather(m *mqttKeeper, said *foreign.Result, received medfleet.Millis) *batch {
	b := &w.batch
	b.feed, b.received, b.key, b.patient = m.feed, received, said.Key, true
	if b.skew, b.skewKnown = 0, said.Sent != 0; b.skewKnown {
		b.skew = said.Sent.Sub(received)
	}
	b.observations, b.events = b.observations[:0], b.events[:0]
	for i := range said.Observations {
		o, mark := &said.Observations[i], said.ObservationMarks[i]
		o.Site, o.DeviceTime = cmp.Or(o.Site, m.site), mark.DeviceTime
		b.observations = append(b.observations, flagged[medfleet.Observation]{o, foreignFlags(mark)})
	}
	for i := range said.Events {
		e, mark := &said.Events[i], said.EventMarks[i]
		e.Site, e.DeviceTime = cmp.Or(e.Site, m.site), mark.DeviceTime
		b.events = append(b.events, flagged[medfleet.Event]{e, foreignFlags(mark)})
	}
	return b
}

func foreignFlags(m foreign.Mark) (f record.Flags) {
	if m.Retained {
		f |= record.Retained
	}
	if m.Clamped {
		f |= record.Clamped
	}
	return f
}

// readForeign is reader.Read, but one message that the reader cannot bear costs no
// other.
func readForeign(reader *foreign.Reader, msg mqtt.Message, received medfleet.Millis) (said *foreign.Result, err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return reader.Read(msg, received)
}

// foreignReceipt waits for what a message became.
type foreignReceipt struct {
	keeper *mqttKeeper
	all    mqtt.Receipt
	aside  *asideReceipt // for what of it became nothing; nil for none
}

// Wait returns nil when the message is in custody. What lasts at a device is told
// when it changes, so a change that was not kept has to be told again.
func (r *foreignReceipt) Wait(ctx context.Context) error {
	err := r.all.Wait(ctx)
	if err == nil && r.aside != nil {
		err = r.aside.Wait(ctx)
	}
	if err != nil {
		r.keeper.others.Forget()
	}
	return err
}

// mappings compiles the configured mappings; nil when there are none.
func (c *MQTTConfig) mappings(set *profiles.Set, gateway string) (*foreign.Set, error) {
	if len(c.Mappings) == 0 {
		return nil, nil
	}
	return foreign.New(foreign.Options{Mappings: c.Mappings, Profiles: set, Gateway: gateway, Section: "gateway.mqtt.mappings"})
}

// CheckMappings says everything that is wrong with the mappings, without using
// them: also which of them never get a message, and which subscriptions give
// messages that nobody reads.
func (c *MQTTConfig) CheckMappings(set *profiles.Set) error {
	others, err := c.mappings(set, "")
	if err != nil {
		return err
	}
	var errs []error
	subscribed := []string{}
	for i := range c.Brokers {
		filters := c.Brokers[i].Subscribe
		if len(filters) == 0 {
			filters = c.subscribe(others)
		}
		for j, f := range filters {
			topic := unshared(f.Topic)
			subscribed = append(subscribed, topic)
			if !foreign.Meet(topic, mqtt.Subscription) && (others == nil || !others.Meets(topic)) {
				errs = append(errs, fmt.Errorf("gateway.mqtt.brokers[%d].subscribe[%d]: nobody reads what it gives: add a mapping for these topics to gateway.mqtt.mappings, or leave it out", i, j))
			}
		}
	}
	if others == nil || c.Listen != "" {
		return errors.Join(errs...)
	}
	for i, filter := range others.Filters() {
		if !meetsAny(filter, subscribed) {
			errs = append(errs, fmt.Errorf("gateway.mqtt.mappings[%d].topic: no message ever comes to it: no broker's subscribe takes these topics, and mqtt.listen is not set", i))
		}
	}
	return errors.Join(errs...)
}

// unshared gives the topics of a subscription that several clients share:
// $share/<group>/<topics>.
func unshared(filter string) string {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(rest, "/")
	}
	return filter
}

func meetsAny(filter string, list []string) bool {
	for _, f := range list {
		if foreign.Meet(filter, f) {
			return true
		}
	}
	return false
}

// subscribe gives what to subscribe to where a broker's configuration does not say:
// our contract and all that is mapped.
func (c *MQTTConfig) subscribe(others *foreign.Set) []mqtt.Filter {
	filters := []mqtt.Filter{{Topic: mqtt.Subscription, QoS: 1}}
	if others == nil {
		return filters
	}
	for _, f := range others.Filters() {
		filters = append(filters, mqtt.Filter{Topic: f, QoS: 1})
	}
	return filters
}
