package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"medfleet/gateway"
)

// edge is a gateway with the listeners it serves.
type edge struct {
	gateway   *gateway.Gateway
	listeners []net.Listener
}

// keys name the flags or configuration keys of a gateway's addresses.
type keys struct{ mqtt, hl7 string }

// openEdge opens the listeners first, so that a port in use is told before
// anything is started.
func openEdge(ctx context.Context, o gateway.Options, k keys) (*edge, error) {
	e := &edge{}
	o.Client = collectorClient()
	if err := errors.Join(
		e.listen(ctx, o.MQTT.Listen, k.mqtt, &o.MQTTAt),
		e.listen(ctx, o.HL7.Listen, k.hl7, &o.HL7At),
		e.listenMore(ctx, &o),
	); err != nil {
		return nil, errors.Join(err, e.close())
	}
	var err error
	if e.gateway, err = gateway.New(o); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *edge) listen(ctx context.Context, address, key string, at *net.Listener) error {
	if address == "" {
		return nil
	}
	l, err := listen(ctx, address, key)
	if err != nil {
		return err
	}
	*at = l
	e.listeners = append(e.listeners, l)
	return nil
}

// listenMore opens the further addresses for HL7.
func (e *edge) listenMore(ctx context.Context, o *gateway.Options) error {
	o.HL7More = make([]net.Listener, len(o.HL7.Listeners))
	for i, s := range o.HL7.Sockets()[1:] {
		if err := e.listen(ctx, s.Address, s.Section+".listen", &o.HL7More[i]); err != nil {
			return err
		}
	}
	return nil
}

// close lets go of what the gateway holds. A listener that was served is closed
// already.
func (e *edge) close() error {
	for _, l := range e.listeners {
		l.Close()
	}
	if e.gateway == nil {
		return nil
	}
	return e.gateway.Close()
}

// collectorClient is how gateways reach the collector: a collector that does not
// begin to answer is asked again.
func collectorClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 4
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t}
}
