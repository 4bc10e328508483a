package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"medfleet"
	"medfleet/simulators/edgenode"
)

// wardMapping is what the metrics of the ward's pumps are to a gateway.
const wardMapping = `{device: "{device}", class: infusion_pump, unit: "{group}",
 metrics: {Charge: {metric: battery_charge}, Hours: {metric: operating_hours}, State: {metric: state}},
 conditions: {Low: {condition: battery_low}, Door: {condition: door_open}}}`

// wardPump is what is true of a pump.
type wardPump struct {
	id            medfleet.DeviceID
	charge, hours float64
	state         string
	low, door     bool
	device        *edgenode.Device
}

// isKnown reports whether the collector takes it for what it is.
func (p *wardPump) isKnown(d *medfleet.Device) bool {
	return d.Readings["battery_charge"] == p.charge && d.Readings["operating_hours"] == p.hours && d.Native == p.state &&
		slices.Contains(d.Active, "battery_low") == p.low && slices.Contains(d.Active, "door_open") == p.door && !slices.Contains(d.Active, "offline")
}

// wardNode is an edge node with pumps that something happens to all the time, and that
// calls its broker again whenever it has lost it.
type wardNode struct {
	address string
	stop    func()

	mu      sync.Mutex
	node    *edgenode.Node
	link    *edgenode.Link // nil while there is none
	pumps   []*wardPump
	resting bool
}

func startNode(t *testing.T, address string, i int) *wardNode {
	n := &wardNode{address: address, node: edgenode.New("4W", fmt.Sprintf("edge-%d", i))}
	for j := range 5 {
		p := &wardPump{id: medfleet.DeviceID(fmt.Sprintf("P-%d%02d", i, j)), state: "standby"}
		p.device = n.node.Add(string(p.id))
		p.set("Charge", "Hours", "State", "Low", "Door")
		n.pumps = append(n.pumps, p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.connect(ctx) })
	running.Go(func() { n.live(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(func() { n.stop() })
	return n
}

// set gives the edge node a pump's values.
func (p *wardPump) set(names ...string) {
	for _, name := range names {
		p.device.Set(name, map[string]*edgenode.Value{
			"Charge": edgenode.Double(p.charge), "Hours": edgenode.Double(p.hours), "State": edgenode.Text(p.state),
			"Low": edgenode.Bool(p.low), "Door": edgenode.Bool(p.door),
		}[name])
	}
}

// connect keeps the node connected.
func (n *wardNode) connect(ctx context.Context) {
	for pause := time.NewTimer(0); ; pause.Reset(20 * time.Millisecond) {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		link := n.dial()
		if link == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-link.Done():
		}
		link.Kill()
		n.mu.Lock()
		n.link = nil
		n.mu.Unlock()
	}
}

func (n *wardNode) dial() *edgenode.Link {
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link, err = edgenode.Open(conn, n.node, edgenode.Options{}); err != nil {
		n.link = nil
	}
	return n.link
}

// live lets something happen to a pump now and then.
func (n *wardNode) live(ctx context.Context) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.mu.Lock()
			if p := n.pumps[rand.N(len(n.pumps))]; n.resting {
				n.say(p, "Charge") // the same again: a heartbeat from before may have taken it for out of sight
			} else {
				n.happen(p)
			}
			n.mu.Unlock()
		}
	}
}

func (n *wardNode) happen(p *wardPump) {
	p.charge = float64(rand.N(100))
	p.state = []string{"standby", "infusing", "paused"}[rand.N(3)]
	names := []string{"Charge", "State"}
	if rand.N(5) == 0 {
		p.low = !p.low
		names = append(names, "Low")
	}
	n.say(p, names...)
}

// say gives the node a pump's values, which it sends if it is connected.
func (n *wardNode) say(p *wardPump, names ...string) {
	make := func(node *edgenode.Node) []edgenode.Message {
		p.set(names...)
		return []edgenode.Message{node.Data(p.device, names...)}
	}
	if n.link == nil {
		make(n.node)
		return
	}
	_ = n.link.Do(make) // a lost connection shows in its Done
}

// change has something be so that is told once.
func (n *wardNode) change(round int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pumps {
		p.hours, p.door = float64(round+1), !p.door
		n.say(p, "Hours", "Door")
	}
}

// rest has nothing happen any more, or again.
func (n *wardNode) rest(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resting = on
}

func (n *wardNode) truth() (list []wardPump) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pumps {
		list = append(list, *p)
	}
	return list
}
