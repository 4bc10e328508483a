package main

import (
	"sync/atomic"

	"medfleet/gateway"
)

// feedFigures are those of one way into a gateway.
func feedFigures(f gateway.Feed) []figure {
	labels := []string{"feed", f.Name}
	list := []figure{
		{"medfleet_feed_up", "Whether the feed works: it listens, or the other end is connected.", gauge, labels, func() float64 {
			if f.Up() {
				return 1
			}
			return 0
		}},
		{"medfleet_feed_messages_total", "Messages received.", counter, labels, func() float64 { return float64(f.Messages()) }},
		{"medfleet_feed_heard_timestamp_seconds", "When the newest message came; 0 if none ever did.", gauge, labels, func() float64 {
			if at := f.Heard(); !at.IsZero() {
				return float64(at.UnixMilli()) / 1000
			}
			return 0
		}},
	}
	if f.Lines == nil {
		return list
	}
	of := func(n *atomic.Int64) func() float64 { return func() float64 { return float64(n.Load()) } }
	return append(list,
		figure{"medfleet_hl7_connections", "Connections that are open.", gauge, labels, of(&f.Lines.Open)},
		figure{"medfleet_hl7_connections_total", "Connections taken or made.", counter, labels, of(&f.Lines.Accepted)},
		figure{"medfleet_hl7_refused_connections_total", "Connections closed at once: not on the list, or too many.", counter, labels, of(&f.Lines.Refused)},
		figure{"medfleet_hl7_failures_total", "Connections that failed: accepting, TLS handshake, reading, writing.", counter, labels, of(&f.Lines.Failures)},
		figure{"medfleet_hl7_slow_frames_total", "Connections closed for a message not complete in time.", counter, labels, of(&f.Lines.Slow)},
		figure{"medfleet_hl7_large_frames_total", "Connections closed for a message over the limit.", counter, labels, of(&f.Lines.TooLarge)},
		figure{"medfleet_hl7_truncated_frames_total", "Connections that ended inside a message.", counter, labels, of(&f.Lines.Truncated)},
		figure{"medfleet_hl7_restarted_frames_total", "Start blocks inside a message.", counter, labels, of(&f.Lines.Restarts)},
		figure{"medfleet_hl7_stray_bytes_total", "Bytes outside messages.", counter, labels, of(&f.Lines.Rubbish)},
		figure{"medfleet_hl7_unframed_total", "Connections closed for bytes that are no MLLP.", counter, labels, of(&f.Lines.NoFrame)},
		figure{"medfleet_hl7_crowded_total", "Connections closed because unfinished messages held too much memory.", counter, labels, of(&f.Lines.Busy)},
		figure{"medfleet_hl7_panics_total", "Messages that the gateway failed on; each is a fault to report.", counter, labels, of(&f.Lines.Panics)},
	)
}
