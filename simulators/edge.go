package simulators

import (
	"context"
	"log/slog"
	"time"

	"medfleet/simulators/edgenode"
)

// edge is a Sparkplug B edge node: one connection for some devices. What they say
// while nobody hears it is told by the next birth, and not queued: there is no
// acknowledgement in Sparkplug.
type edge struct {
	config  *Config
	node    *edgenode.Node
	devices []behind
	ready   chan struct{} // of all the devices' outboxes
	ledger  *ledger
	log     *slog.Logger
}

// behind is a device behind an edge node.
type behind struct {
	box    *outbox
	device *edgenode.Device
}

const edgePing = 20 * time.Second

// newEdges puts the devices that speak Sparkplug behind edge nodes and gives them
// their language.
func newEdges(f *Fleet, devices []*device) []*edge {
	var list []*edge
	for i, group := range edgeNodes(devices) {
		e := &edge{
			config: &f.config, node: edgenode.New(string(group[0].Unit), edgeName(group[0].Unit, i)),
			ready: make(chan struct{}, 1), ledger: &f.ledger, log: f.config.Log,
		}
		for _, d := range group {
			b := behind{d.box, e.node.Add(string(d.ID))}
			d.box.ready, d.speech = e.ready, newMetrics(d, b.device)
			e.devices = append(e.devices, b)
		}
		list = append(list, e)
	}
	return list
}

func (e *edge) run(ctx context.Context) {
	var again backoff
	for {
		err := e.session(ctx, &again)
		if ctx.Err() != nil {
			return
		}
		e.ledger.reconnects.Add(1)
		e.log.Debug("Sparkplug broker lost, trying again", slog.String("edge_node", e.node.Edge), slog.Any("error", err))
		if !again.wait(ctx) {
			return
		}
	}
}

// session is one connection from dial to its end.
func (e *edge) session(ctx context.Context, again *backoff) error {
	if err := e.speak(e.toNobody, false); err != nil {
		return err
	}
	conn, err := e.config.Sparkplug.dial(ctx)
	if err != nil {
		return err
	}
	link, err := edgenode.Open(conn, e.node, edgenode.Options{
		User: e.config.Sparkplug.User, Password: e.config.Sparkplug.Password, PrimaryHost: e.config.SparkplugHost,
	})
	if err != nil {
		return err
	}
	again.reset()
	return e.attend(ctx, link)
}

func (e *edge) attend(ctx context.Context, link *edgenode.Link) error {
	ping := time.NewTicker(edgePing)
	defer ping.Stop()
	for {
		err := e.speak(link.Do, link.Born())
		select {
		case <-ctx.Done():
			return link.Close()
		case <-link.Done():
			return link.Err()
		case <-e.ready:
		case <-ping.C:
			err = link.Ping()
		}
		if err != nil {
			link.Kill()
			return err
		}
	}
}

// toNobody lets the node know what nobody hears.
func (e *edge) toNobody(make making) error {
	make(e.node)
	return nil
}

// making makes messages with a node that is not in use elsewhere meanwhile.
type making = func(n *edgenode.Node) []edgenode.Message

// speak says what waits.
func (e *edge) speak(do func(making) error, heard bool) error {
	for _, b := range e.devices {
		if err := do(b.turn); err != nil {
			return err
		}
		for {
			p, ok := b.box.take(1, 1)
			if !ok {
				break
			}
			b.box.settle(1) // the node has it now: what cannot be sent is in its next birth
			if heard {
				e.ledger.out(&p)
			} else {
				e.ledger.dropped.Add(1)
			}
			if err := do(func(n *edgenode.Node) []edgenode.Message { return b.say(n, p) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn says that a device is gone, or there again.
func (b behind) turn(n *edgenode.Node) []edgenode.Message {
	away := b.box.isMuted()
	if away == b.device.Away {
		return nil
	}
	b.device.Away = away
	if away {
		return []edgenode.Message{n.DeviceDeath(b.device)}
	}
	return []edgenode.Message{n.DeviceBirth(b.device)}
}

// say gives the metrics their new values and says them.
func (b behind) say(n *edgenode.Node, p parcel) []edgenode.Message {
	names := make([]string, len(p.metrics))
	for i, v := range p.metrics {
		names[i] = v.GetName()
		b.device.Set(names[i], v)
	}
	return []edgenode.Message{n.Data(b.device, names...)}
}
