package medfleet

// Priority is the urgency of maintenance, never a device's clinical priority.
type Priority string

// The priorities. On the board they read GO NOW, TODAY and NEXT ROUND.
const (
	Now   Priority = "now"
	Today Priority = "today"
	Round Priority = "round"
)

// Rank orders priorities: the most urgent is 1; what is unknown comes last.
func (p Priority) Rank() int {
	switch p {
	case Now:
		return 1
	case Today:
		return 2
	case Round:
		return 3
	}
	return 4
}

// AlarmState is where an alarm is in its life.
type AlarmState string

// The states of an alarm. Active and Acknowledged are open; the others are
// ends. Cleared means that the recovery was observed, Closed that a person
// ended it with a cause, Withdrawn that its rule is gone.
const (
	Active       AlarmState = "active"
	Acknowledged AlarmState = "acknowledged"
	Cleared      AlarmState = "cleared"
	Closed       AlarmState = "closed"
	Withdrawn    AlarmState = "withdrawn"
)

// Open reports whether an alarm in this state still wants somebody.
func (s AlarmState) Open() bool { return s == Active || s == Acknowledged }

// Alarm is one episode of a rule holding for a device. ID is the episode's ULID;
// it stays the same when the alarm reopens within the rule's hold.
type Alarm struct {
	ID             string     `json:"id" doc:"ULID of the episode"`
	Rule           string     `json:"rule"`
	Device         DeviceID   `json:"device"`
	Class          Class      `json:"class"`
	Model          string     `json:"model,omitempty"`
	Site           string     `json:"site"`
	Unit           CareUnit   `json:"unit,omitempty"`
	Priority       Priority   `json:"priority" enum:"now,today,round"`
	State          AlarmState `json:"state" enum:"active,acknowledged,cleared,closed,withdrawn"`
	Since          Millis     `json:"since" doc:"when the condition became true"`
	RaisedAt       Millis     `json:"raised_at"`
	ChangedAt      Millis     `json:"changed_at"`
	ClearedAt      Millis     `json:"cleared_at,omitempty"`
	Reopened       int        `json:"reopened" doc:"how often it came back within the rule's hold"`
	Summary        string     `json:"summary"`
	Action         string     `json:"action,omitempty"`
	Runbook        string     `json:"runbook,omitempty"`
	Paged          bool       `json:"paged"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	AcknowledgedAt Millis     `json:"acknowledged_at,omitempty"`
	Note           string     `json:"note,omitempty"`
}

// PageState is where a page is on its way to a person.
type PageState string

// The states of a page. Ambiguous means that the channel may have delivered it:
// the connection broke after the page was handed over and before the answer.
const (
	Queued    PageState = "queued"
	Sent      PageState = "sent"
	Ambiguous PageState = "ambiguous"
	Failed    PageState = "failed"
)

// Page is one message about an alarm to one channel. It is written in the same
// transaction as the alarm's transition and delivered at least once.
type Page struct {
	ID          string    `json:"id" doc:"ULID, also the key by which a receiver can drop a repeat"`
	Alarm       string    `json:"alarm" doc:"episode the page is about"`
	Device      DeviceID  `json:"device"`
	Rule        string    `json:"rule"`
	Site        string    `json:"site"`
	Priority    Priority  `json:"priority" enum:"now,today,round"`
	About       string    `json:"about" enum:"raised,cleared" doc:"what the page tells"`
	Channel     string    `json:"channel"`
	To          string    `json:"to,omitempty"`
	Text        string    `json:"text" doc:"at most 160 characters"`
	State       PageState `json:"state" enum:"queued,sent,ambiguous,failed"`
	Attempts    int       `json:"attempts"`
	QueuedAt    Millis    `json:"queued_at"`
	NextAttempt Millis    `json:"next_attempt,omitempty"`
	SentAt      Millis    `json:"sent_at,omitempty"`
	Error       string    `json:"error,omitempty"`
}
