package gateway

import (
	"context"

	"medfleet/gateway/mqtt"
	"medfleet/gateway/mqtt/foreign"
)

// buildMQTT makes a feed of the gateway's own broker and one of each of the
// hospital's.
func (g *Gateway) buildMQTT(o Options) error {
	others, err := o.MQTT.mappings(o.Profiles, o.ID)
	if err != nil {
		return err
	}
	if o.MQTTAt != nil {
		if err := g.buildBroker(&o, others); err != nil {
			return err
		}
	}
	for _, broker := range o.MQTT.Brokers {
		if len(broker.Subscribe) == 0 {
			broker.Subscribe = o.MQTT.subscribe(others)
		}
		k := g.newMQTTKeeper("mqtt "+broker.Name, &o, others)
		c, err := mqtt.NewClient(mqtt.ClientOptions{ClientConfig: broker, Log: o.Log, Taker: k})
		if err != nil {
			return err
		}
		g.sources = append(g.sources, source{name: k.feed, run: c.Run, up: c.Up, heard: k.heard.time, messages: k.heard.messages})
	}
	return nil
}

func (g *Gateway) buildBroker(o *Options, others *foreign.Set) error {
	secure, err := o.MQTT.TLS.Config("gateway.mqtt.tls")
	if err != nil {
		return err
	}
	k := g.newMQTTKeeper("mqtt", o, others)
	options := mqtt.BrokerOptions{
		User: o.MQTT.User, Password: o.MQTT.Password, TLS: secure, Limits: o.MQTT.Limits, Log: o.Log, Taker: k,
	}
	if others != nil {
		options.Allows = others.Takes
	}
	b := mqtt.NewBroker(options)
	g.sources = append(g.sources, source{
		name: k.feed, up: b.Up, heard: k.heard.time, messages: k.heard.messages,
		run: func(ctx context.Context) error { return b.Run(ctx, o.MQTTAt) },
	})
	return nil
}
