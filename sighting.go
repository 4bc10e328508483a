package medfleet

// Sighting is what the watch makes of one record: the device as it stands after
// it, and what the record said. It is handed to the alarm engine, which reads it
// during the call and keeps nothing of it but copies.
type Sighting struct {
	Sequence uint64    // the record's number in the journal
	At       Millis    // event time: what `for` and `hold` are measured in
	Device   *Device   // the device after the record
	Readings []Reading // what an observation said
	Event    *Event    // what happened, if the record is an event
	Live     bool      // false when it is late, historical or not in service: counted, but nothing is judged by it
	Gone     bool      // the device is no more: its id stands for another. What is raised for it is withdrawn
}

// ChangeKind says what has changed.
type ChangeKind string

// The kinds of change.
const (
	DeviceChanged  ChangeKind = "device"
	AlarmChanged   ChangeKind = "alarm"
	PageChanged    ChangeKind = "page"
	GatewayChanged ChangeKind = "gateway"
)

// Change names a thing that is different now. Whoever wants to know how reads it
// anew: so a slow reader sees newer state, never a queue.
type Change struct {
	Kind ChangeKind
	ID   string
}

// Gateway is an edge gateway as the collector knows it now.
type Gateway struct {
	Name           string  `json:"id"`
	Site           string  `json:"site"`
	LastSeen       Millis  `json:"last_seen"`
	Up             bool    `json:"up"`
	EventsDepth    uint64  `json:"events_depth" doc:"records waiting in the gateway's events spool"`
	TelemetryDepth uint64  `json:"telemetry_depth" doc:"records waiting in the gateway's telemetry spool"`
	OldestSeconds  float64 `json:"oldest_seconds" doc:"age of the oldest waiting record"`
	ClockOffset    float64 `json:"clock_offset_seconds" doc:"by how much its clock is ahead of the collector's"`
	ClockKnown     bool    `json:"clock_known" doc:"whether the clocks could be compared"`
	Feeds          []Feed  `json:"feeds" doc:"its ways in, as its newest heartbeat tells of them"`
}

// Feed is a configured way into a gateway as the collector knows it now. Its
// devices are those that were last heard by it.
type Feed struct {
	Name      string `json:"id"`
	Up        bool   `json:"up" doc:"it works: whoever should be there is connected"`
	Quiet     bool   `json:"quiet" doc:"it is up, and none of several devices that should be heard by it is"`
	LastHeard Millis `json:"last_heard" doc:"when anything came by it, by the collector's clock"`
	Messages  uint64 `json:"messages" doc:"since the gateway's start"`
	Devices   int    `json:"devices" doc:"how many were last heard by it"`
}

// FeedsUp counts the feeds that work.
func (g *Gateway) FeedsUp() (n int) {
	for i := range g.Feeds {
		if g.Feeds[i].Up {
			n++
		}
	}
	return n
}
