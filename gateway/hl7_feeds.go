package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"medfleet/gateway/mllp"
)

// Feed is one way in, as those see it who watch the gateway.
type Feed struct {
	Name     string
	Up       func() bool      // it works: it listens, or the other end is connected
	Heard    func() time.Time // when the newest message came; zero if none ever did
	Messages func() uint64    // received since the gateway started
	Lines    *mllp.Counters   // of HL7 connections; nil for other protocols
}

// Feeds are all ways in that are configured.
func (g *Gateway) Feeds() []Feed {
	var list []Feed
	for _, s := range g.sources {
		list = append(list, Feed{s.name, s.up, s.heard, s.messages, g.lines[s.name]})
	}
	return list
}

// buildHL7 makes the sources that speak HL7. All share one keeper: whoever opened
// the connection, a message is read, kept and answered in the same way.
func (g *Gateway) buildHL7(o Options) error {
	if o.HL7At == nil && len(o.HL7More)+len(o.HL7.Dial)+len(o.HL7.Poll) == 0 {
		return nil
	}
	h, err := newHL7Keeper(g.keeper, g.dead, &g.counts, o.HL7, o.Profiles, o.Site, o.ID)
	if err != nil {
		return err
	}
	if o.HL7At != nil {
		if err := g.listenHL7(o, newHL7Feed(h, o.HL7.Name), o.HL7At, o.HL7.HL7Listener); err != nil {
			return err
		}
	}
	for i, ln := range o.HL7More {
		l := o.HL7.Listeners[i]
		if err := g.listenHL7(o, newHL7Feed(h, l.Name), ln, l); err != nil {
			return err
		}
	}
	if o.HL7At != nil || len(o.HL7More) > 0 {
		for _, s := range o.HL7.Senders {
			sender := h.senders[s.Name]
			g.sources = append(g.sources, source{name: sender.name, caller: true, up: sender.up, heard: sender.heard.time, messages: sender.heard.messages})
		}
	}
	for i := range o.HL7.Dial {
		s := &o.HL7.Dial[i]
		g.callHL7(o, newHL7Feed(h, s.Name), &s.HL7Remote, mllp.DialConfig{Release2: s.Release2})
	}
	for i := range o.HL7.Poll {
		m := &o.HL7.Poll[i]
		f := newHL7Feed(h, m.Name)
		f.polled = true
		g.callHL7(o, f, &m.HL7Remote, mllp.DialConfig{Poll: m.Query.poll()})
	}
	return nil
}

func (g *Gateway) listenHL7(o Options, f *hl7Feed, ln net.Listener, c HL7Listener) error {
	f.listens = true
	secure, err := c.TLS.Config("tls of HL7 listener " + f.name)
	if err != nil {
		return err
	}
	l := mllp.NewListener(mllp.Config{
		Allow: c.Allow, MaxConnections: c.MaxConnections, TLS: secure, Release2: c.Release2, Limits: o.HL7.limits(),
	}, f)
	g.lines[f.name] = l.Counters()
	g.sources = append(g.sources, source{
		name: f.name, run: func(ctx context.Context) error { return l.Run(ctx, ln) },
		up: l.Up, heard: l.Heard, messages: l.Counters().Messages,
	})
	return nil
}

// callHL7 adds a source that the gateway connects to.
func (g *Gateway) callHL7(o Options, f *hl7Feed, r *HL7Remote, c mllp.DialConfig) {
	c.Address, c.Limits = r.Address, o.HL7.limits()
	c.Log = g.log.With("feed", f.name)
	if r.TLS.On() {
		host, _, _ := net.SplitHostPort(r.Address) // checked
		c.TLS = func() (*tls.Config, error) { return r.TLS.Config("tls of HL7 station "+f.name, host) }
	}
	d := mllp.NewDialer(c, f)
	g.lines[f.name] = d.Counters()
	g.sources = append(g.sources, source{name: f.name, run: d.Run, up: d.Up, heard: d.Heard, messages: d.Counters().Messages})
}

func (c *HL7Config) limits() mllp.Limits {
	return mllp.Limits{MaxFrame: c.MaxFrame, FrameTimeout: c.FrameTimeout}
}
