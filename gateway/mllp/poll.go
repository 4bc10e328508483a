package mllp

import (
	"context"
	"time"
)

// Poll is how a station is asked that does not send by itself. Both sides of such
// a connection show that they live by an echo, about each second; what is asked
// for comes as messages of its own. Zero times mean the defaults.
type Poll struct {
	Query   func(now time.Time) []byte // the question; its message, without block characters
	Echo    []byte                     // the sign of life; nil: none
	First   time.Duration              // from connecting to the first question, default 2 s: the station introduces itself
	Every   time.Duration              // between questions, default 60 s: what was asked for may be forgotten there
	Beat    time.Duration              // between echoes, default 1 s
	Silence time.Duration              // without a byte from the station it is connected to anew; default 15 s
}

func (p Poll) withDefaults() Poll {
	setDefault(&p.First, 2*time.Second)
	setDefault(&p.Every, 60*time.Second)
	setDefault(&p.Beat, time.Second)
	setDefault(&p.Silence, 15*time.Second)
	return p
}

// ask sends echoes and questions until ctx ends. They go beside the answers: a slow
// disk must not look like a dead gateway.
func (c *connection) ask(ctx context.Context, p *Poll) {
	beat := time.NewTicker(p.Beat)
	defer beat.Stop()
	question := time.NewTimer(p.First)
	defer question.Stop()
	var out []byte
	for {
		out = out[:0]
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if p.Echo == nil {
				continue
			}
			out = AppendFrame(out, p.Echo)
		case now := <-question.C:
			out = AppendFrame(out, p.Query(now))
			question.Reset(p.Every)
		}
		if !c.write(out) {
			return
		}
	}
}
