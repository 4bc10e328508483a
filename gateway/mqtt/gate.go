package mqtt

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"medfleet/gateway/mqtt/wire"
)

// gate is a device's connection as the broker's library sees it. Plain messages go no
// further: they are with the spool before the library is given what came behind them.
// What is due to the device waits here until the messages that came before it are
// durable. Nobody has to be woken for that: when the library asks for more bytes, all
// that had come together is with the spool, and one sync and one write serve it.
type gate struct {
	net.Conn
	broker *Broker
	ctx    context.Context // of Run: the library's connections have none of their own

	client  *broker.Client // once it has been let in
	came    time.Time      // when what is being read came
	passing int            // bytes of the packet at hand that the library has not had yet
	rest    []byte         // what came behind what the library was given
	last    string         // the topic of the message before
	topics  map[string]string

	alive  time.Duration // how long the library waits for the next packet
	armed  time.Time     // the deadline that is set
	closed atomic.Bool
	failed error // why a message was not kept: the gate stays shut

	mu  sync.Mutex
	due []due
	out []byte // what waits
}

// due is a message on its way to the disk.
type due struct {
	receipt Receipt
	before  int // bytes of out that wait for earlier messages only
}

// take holds back the acknowledgement of a message, which with QoS 1 is written here,
// and all that is written after it. It is for the goroutine that reads.
func (g *gate) take(r Receipt, qos byte, id uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broker.due.Add(1)
	g.due = append(g.due, due{r, len(g.out)})
	if qos == 1 {
		g.out = wire.AppendAnswer(g.out, packets.Puback, id)
	}
}

// Close may come from whoever ends the connection.
func (g *gate) Close() error {
	g.closed.Store(true)
	return g.Conn.Close()
}

// Write keeps the order of what is due.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.due) == 0 {
		return g.Conn.Write(p)
	}
	g.out = append(g.out, p...)
	return len(p), nil
}

// settle waits until what was taken is durable and lets out what waits for it, up
// to the first message that was not kept: not one byte of what comes after it
// leaves, so that the device sends it again on its next connection.
func (g *gate) settle() error {
	if g.failed != nil || len(g.due) == 0 {
		return g.failed
	}
	kept := 0
	for ; kept < len(g.due); kept++ {
		if g.failed = g.due[kept].receipt.Wait(g.ctx); g.failed != nil {
			break
		}
	}
	g.broker.due.Add(-int64(len(g.due)))
	g.broker.counts.Messages.Add(uint64(kept))
	err := g.release(kept)
	if g.failed != nil {
		g.broker.refused(g.ctx, len(g.due)-kept, g.failed)
		unsay(g.client) // it is we who go
		return g.failed
	}
	return err
}

// release lets out what waits for the first messages.
func (g *gate) release(kept int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.out
	if kept < len(g.due) {
		out = g.out[:g.due[kept].before]
	} else {
		clear(g.due)
		g.due, g.out = g.due[:0], g.out[:0]
	}
	if len(out) == 0 {
		return nil
	}
	_, err := g.Conn.Write(out)
	return err
}

// slack is how much later than it asks for the library's deadline may come. It sets
// one before each packet; so one a second is set.
const slack = time.Second

// SetDeadline sets the deadline, at most slack later.
func (g *gate) SetDeadline(t time.Time) error {
	if g.alive = 0; !t.IsZero() {
		g.alive = time.Until(t)
	}
	return g.arm(t)
}

// heard puts the deadline off as the library does for each packet that it reads.
func (g *gate) heard() error {
	if g.alive == 0 {
		return nil
	}
	return g.arm(g.came.Add(g.alive))
}

func (g *gate) arm(t time.Time) error {
	if t.IsZero() && g.armed.IsZero() || !t.IsZero() && !t.After(g.armed) && g.armed.Sub(t) <= slack {
		return nil
	}
	if g.armed = t; !t.IsZero() {
		g.armed = t.Add(slack)
	}
	return g.Conn.SetDeadline(g.armed)
}
