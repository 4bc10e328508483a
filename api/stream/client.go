package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// readLimit bounds what a client may say at once: an epoch and two numbers.
const readLimit = 4 << 10

// client is one connection. Its reader is the goroutine of the request; only its
// writer writes frames.
type client struct {
	hub     *Hub
	request *http.Request
	conn    *websocket.Conn
	asked   chan ask // what the reader heard last; one slot
	stop    chan struct{}

	// The writer's own.
	live  bool   // has had its first frame
	seq   uint64 // what it knows
	beats uint64
}

// ask is what a client can say.
type ask struct {
	Type  string `json:"type"`
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// ServeHTTP makes a websocket of the request and serves it until the client goes
// or the hub stops. A page of another origin is refused.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stop, status, why := h.admit()
	if stop == nil {
		h.counts.refused.Add(1)
		w.Header().Set("Retry-After", "5")
		h.o.Refuse(w, r, status, why)
		return
	}
	defer h.leave()
	up := websocket.Upgrader{
		HandshakeTimeout: h.o.WriteWait,
		ReadBufferSize:   1 << 10,
		WriteBufferSize:  1 << 10, // frames are prepared: only control messages pass through it
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			h.counts.refused.Add(1)
			w.Header().Set("Sec-WebSocket-Version", "13")
			h.o.Refuse(w, r, status, explain(status, reason))
		},
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // answered by Error, or the client is gone
	}
	c := &client{hub: h, request: r, conn: conn, asked: make(chan ask, 1), stop: stop}
	c.serve()
}

func explain(status int, reason error) string {
	switch status {
	case http.StatusForbidden:
		return "the page asking is of another origin: open the board under the address that it connects to"
	case http.StatusUpgradeRequired, http.StatusBadRequest:
		return "this address speaks websocket (RFC 6455) only: use GET /api/v1/devices and /api/v1/alarms to read once"
	}
	return reason.Error()
}

func (c *client) serve() {
	ctx, cancel := context.WithCancel(c.request.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.conn.Close() // ends the reader
		c.write(ctx)
	}()
	c.read()
	cancel()
	c.conn.Close() // ends a write that blocks
	<-done
}

// read hears what the client asks and, by its pongs, that it is there.
func (c *client) read() {
	wait := c.hub.o.PongWait
	c.conn.SetReadLimit(readLimit)
	c.conn.SetReadDeadline(time.Now().Add(wait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(wait)) })
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		c.conn.SetReadDeadline(time.Now().Add(wait))
		var a ask
		if json.Unmarshal(text, &a) != nil || a.Type != "snapshot" && a.Type != "resume" {
			c.goodbye(websocket.ClosePolicyViolation, `say {"type":"snapshot"} or {"type":"resume","epoch":"…","seq":N}`)
			return
		}
		select { // the newest question replaces one not yet answered
		case <-c.asked:
		default:
		}
		c.asked <- a
	}
}

// goodbye sends a close frame if the connection takes it at once. WriteControl
// may be called beside the writer.
func (c *client) goodbye(code int, why string) {
	c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(time.Second))
}

// write sends frames until the client goes or has to go.
func (c *client) write(ctx context.Context) {
	o := &c.hub.o
	ping, recheck := time.NewTicker(o.PongWait*9/10), time.NewTicker(o.Recheck)
	defer ping.Stop()
	defer recheck.Stop()
	impatient := time.NewTimer(o.AskWait)
	defer impatient.Stop()
	if !c.sent(c.hello()) {
		return
	}
	for {
		state := c.hub.now.Load()
		if c.live && !c.sent(c.follow(ctx, state)) {
			return
		}
		select {
		case <-state.wake:
		case a := <-c.asked:
			impatient.Stop()
			if !c.sent(c.answer(ctx, a)) {
				return
			}
		case <-ping.C:
			if !c.sent(c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(o.WriteWait))) {
				return
			}
		case <-recheck.C:
			if !o.Allowed(c.request) {
				c.goodbye(websocket.ClosePolicyViolation, "you may no longer look: sign in again")
				return
			}
		case <-impatient.C:
			c.goodbye(websocket.ClosePolicyViolation, "nothing was asked for: ask for a snapshot")
			return
		case <-c.stop:
			c.goodbye(websocket.CloseGoingAway, "the collector is stopping")
			return
		case <-ctx.Done():
			return
		}
	}
}

// sent reports whether the connection is still good, and counts who was too slow.
func (c *client) sent(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.hub.counts.slow.Add(1)
	}
	return err == nil
}

func (c *client) hello() error {
	b := append([]byte(`{"type":"hello","epoch":"`), c.hub.epoch...)
	b = append(b, `","beat_ms":`...)
	b = strconv.AppendInt(b, c.hub.o.Beat.Milliseconds(), 10)
	c.conn.SetWriteDeadline(time.Now().Add(c.hub.o.WriteWait))
	return c.conn.WriteMessage(websocket.TextMessage, append(b, '}'))
}

// answer gives a client its first frame, or a new beginning. Who resumes at a
// place that is known only follows from there; the beat tells it that it may.
func (c *client) answer(ctx context.Context, a ask) error {
	state := c.hub.now.Load()
	c.beats = 0
	if a.Type == "resume" && a.Epoch == c.hub.epoch && a.Seq <= state.seq {
		c.live, c.seq = true, a.Seq
		return c.follow(ctx, state)
	}
	f, err := c.hub.snapshot(ctx)
	if err != nil {
		return c.later(a)
	}
	c.live = true
	return c.send(f)
}

// later puts a question back that cannot be answered now: the hub says why, and
// the next beat or delta means that it can be read again.
func (c *client) later(a ask) error {
	state := c.hub.now.Load()
	select {
	case <-state.wake:
	case <-c.stop:
	case <-c.request.Context().Done():
	case <-time.After(c.hub.o.Beat):
	}
	select {
	case c.asked <- a:
	default: // a newer question is there already
	}
	return nil
}

// follow brings a client to where the hub is: by the frame everybody gets if it
// is in step, else by one of its own. Then the beat, if there was one since.
func (c *client) follow(ctx context.Context, state *published) error {
	if c.seq < state.seq {
		f := state.delta
		if f == nil || f.from != c.seq {
			var err error
			if f, err = c.hub.catchUp(ctx, c.seq, state.seq); err != nil {
				return nil // the source is troubled: try again at the next beat
			}
		}
		if err := c.send(f); err != nil {
			return err
		}
	}
	if c.beats == state.beats || c.seq != state.seq || state.beat == nil {
		return nil
	}
	c.beats = state.beats
	return c.transmit(state.beat)
}

// send gives a frame that moves the client on.
func (c *client) send(f *frame) error {
	if err := c.transmit(f); err != nil {
		return err
	}
	c.seq = max(c.seq, f.to)
	return nil
}

func (c *client) transmit(f *frame) error {
	wait := c.hub.o.WriteWait + time.Duration(f.size>>16)*time.Second
	c.conn.SetWriteDeadline(time.Now().Add(wait))
	return c.conn.WritePreparedMessage(f.message)
}
