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
	ClockOffset    float64 `json:"clock_offset_seconds"`
	FeedsUp        uint64  `json:"feeds_up"`
	Feeds          uint64  `json:"feeds"`
}
