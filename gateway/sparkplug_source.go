package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"medfleet"
	"medfleet/gateway/sparkplug"
	"medfleet/profiles"
	"medfleet/record"
)

// checkSparkplug completes each feed's configuration and says what is wrong.
func (c *MQTTConfig) checkSparkplug(gateway string) error {
	var errs []error
	names, sessions := map[string]bool{}, map[string]bool{}
	for i := range c.Sparkplug {
		f := &c.Sparkplug[i]
		f.Complete(fmt.Sprintf("gateway.mqtt.sparkplug[%d]", i), gateway)
		errs = append(errs, f.Check())
		if session := f.URL + " " + f.ClientID; sessions[session] {
			errs = append(errs, fmt.Errorf("%s.client_id: %q is another's at the same broker, which would throw out one for the other: put all groups and mappings under one", f.Section, f.ClientID))
		} else if sessions[session] = true; names[f.Name] {
			errs = append(errs, fmt.Errorf("%s.name: there is another feed %q: give each a name of its own", f.Section, f.Name))
		}
		names[f.Name] = true
	}
	return errors.Join(errs...)
}

// CheckSparkplugMappings says everything that is wrong with the mappings, without
// using them.
func (c *MQTTConfig) CheckSparkplugMappings(set *profiles.Set) error {
	var errs []error
	for i := range c.Sparkplug {
		errs = append(errs, c.Sparkplug[i].CheckMappings(fmt.Sprintf("gateway.mqtt.sparkplug[%d]", i), set))
	}
	return errors.Join(errs...)
}

// SparkplugFeed is the counters of one feed of Sparkplug B.
type SparkplugFeed struct {
	Name   string
	Client *sparkplug.ClientCounts
	Nodes  *sparkplug.Counts
}

// SparkplugFeeds gives the counters of all feeds of Sparkplug B.
func (g *Gateway) SparkplugFeeds() []SparkplugFeed { return g.sparkplug }

// buildSparkplug makes the feeds of Sparkplug B.
func (g *Gateway) buildSparkplug(o Options) error {
	for _, config := range o.MQTT.Sparkplug {
		feed := feedName("sparkplug " + config.Name)
		c, err := sparkplug.NewClient(sparkplug.ClientOptions{
			Config: config, Profiles: o.Profiles, Gateway: o.ID, Site: o.Site, Log: o.Log, RetryMin: o.Retry, RetryMax: o.Retry,
			Taker: &sparkplugKeeper{keeper: g.keeper, feed: feed, dead: g.dead, counts: &g.counts, key: rand.Uint64()},
		})
		if err != nil {
			return err
		}
		g.sparkplug = append(g.sparkplug, SparkplugFeed{feed, c.Counts(), c.Nodes()})
		g.sources = append(g.sources, source{name: feed, run: c.Run, up: c.Up, heard: c.Heard, messages: c.Counts().Messages.Load})
	}
	return nil
}

// sparkplugKeeper makes records of what Sparkplug edge nodes say and waits until they
// are durable. It is for one goroutine.
type sparkplugKeeper struct {
	keeper *keeper
	feed   string
	dead   *deadLetters
	counts *Counts
	key    uint64 // moves on with each batch: with QoS 0 nothing comes twice
	batch  batch
}

// Keep returns nil when all of it is durable.
func (k *sparkplugKeeper) Keep(ctx context.Context, said *sparkplug.Said, received medfleet.Millis) error {
	k.counts.Dropped.Add(uint64(said.Dropped))
	k.counts.UnknownCodes.Add(uint64(said.Codes))
	k.counts.Implausible.Add(uint64(said.Refused))
	if said.Nothing() {
		k.counts.Nothing.Add(uint64(said.Messages))
		return nil
	}
	b := &k.batch
	b.feed, b.received, b.observations, b.events = k.feed, received, b.observations[:0], b.events[:0]
	b.key, k.key = k.key, k.key+uint64(len(said.Observations))
	for i := range said.Observations {
		o := &said.Observations[i]
		if o.SkewKnown {
			k.keeper.skews.tell(&o.Observation, o.Skew)
		}
		b.observations = append(b.observations, flagged[medfleet.Observation]{&o.Observation, sparkplugFlags(o.Marks)})
	}
	for i := range said.Events {
		e := &said.Events[i]
		b.events = append(b.events, flagged[medfleet.Event]{&e.Event, sparkplugFlags(e.Marks)})
	}
	if err := k.keeper.keep(b).Wait(ctx); err != nil {
		k.counts.NotKept.Add(uint64(said.Messages))
		return err
	}
	k.counts.Kept.Add(uint64(said.Messages))
	return nil
}

// PutAside keeps what was not understood as a dead letter.
func (k *sparkplugKeeper) PutAside(ctx context.Context, reason error, bytes int) error {
	k.counts.NotUnderstood.Add(1)
	return k.dead.keep(ctx, DeadLetter{Source: k.feed, Reason: reason.Error(), Bytes: bytes})
}

func sparkplugFlags(m sparkplug.Marks) (f record.Flags) {
	if m.Historical {
		f |= record.Historical
	}
	if m.Clamped {
		f |= record.Clamped
	}
	return f
}
