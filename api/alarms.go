package api

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"medfleet"
)

func (s *Server) mountAlarms() {
	register(s, operation{
		id: "list-alarms", pattern: "GET /api/v1/alarms", tag: "alarms", summary: "List alarms, newest first",
		about:   "Every episode of a rule holding for a device. `state=open` means active and acknowledged.",
		example: list[medfleet.Alarm]{Items: []medfleet.Alarm{exampleAlarm}},
	}, s.listAlarms)
	register(s, operation{
		id: "get-alarm", pattern: "GET /api/v1/alarms/{id}", tag: "alarms", summary: "Get an alarm and what became of it",
		about: "The alarm with its transitions, oldest first.", example: exampleAlarmDetail, errors: []int{404},
	}, s.getAlarm)
	ack := operation{
		id: "acknowledge-alarm", pattern: "POST /api/v1/alarms/{id}/ack", tag: "alarms", summary: "Acknowledge an alarm",
		about: "Says that the asker has it in hand. The answer is the alarm as it stands now and names who acknowledged it. " +
			"Doing it twice changes nothing: the first one stays, note and all.",
		example: exampleAcknowledged, errors: []int{404, 409, 413},
	}
	register(s, ack, s.acknowledge)
	ack.id, ack.pattern, ack.hidden = "acknowledge-alarm-short", "POST /alarms/{id}/ack", true
	register(s, ack, s.acknowledge)
}

type alarmsInput struct {
	State    []string `query:"state,explode" doc:"only alarms in one of these states: active, acknowledged, cleared, closed, withdrawn, or open for the first two; repeated or with commas"`
	Device   string   `query:"device" maxLength:"64" doc:"only this device's"`
	Unit     string   `query:"unit" doc:"only of this care unit"`
	Class    string   `query:"class" doc:"only of this class"`
	Priority string   `query:"priority" enum:"now,today,round" doc:"only of this urgency"`
	Paging
}

// openStates is the word for the states in which an alarm wants somebody.
const openStates = "open"

func alarmStates() []medfleet.AlarmState {
	return []medfleet.AlarmState{medfleet.Active, medfleet.Acknowledged, medfleet.Cleared, medfleet.Closed, medfleet.Withdrawn}
}

func (s *Server) listAlarms(ctx context.Context, in *alarmsInput) (*answer[list[medfleet.Alarm]], error) {
	chosen, err := choices("query.state", in.State, append(alarmStates(), openStates))
	if err != nil {
		return nil, err
	}
	var states []medfleet.AlarmState
	for _, known := range alarmStates() {
		for _, state := range chosen {
			if state == known || state == openStates && known.Open() {
				states = append(states, known)
				break
			}
		}
	}
	alarms, next, err := s.o.Alarms.Alarms(ctx, AlarmFilter{
		States: states, Device: medfleet.DeviceID(in.Device), Unit: medfleet.CareUnit(in.Unit), Class: medfleet.Class(in.Class),
		Priority: medfleet.Priority(in.Priority), Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, s.failed(ctx, "the alarms", err)
	}
	return listOf(alarms, next), nil
}

// NamedAlarm is an alarm in the path.
type NamedAlarm struct {
	ID string `path:"id" maxLength:"64" doc:"ULID of the alarm" example:"01JQ8M6Z3T5V7X9B1D3F5H7K9M"`
}

// AlarmDetail is an alarm and how it came to be as it is.
type AlarmDetail struct {
	medfleet.Alarm
	Transitions []Transition `json:"transitions" nullable:"false" doc:"oldest first"`
}

func (s *Server) getAlarm(ctx context.Context, in *NamedAlarm) (*answer[AlarmDetail], error) {
	a, transitions, err := s.o.Alarms.Alarm(ctx, in.ID)
	if err != nil {
		return nil, s.noAlarm(ctx, in.ID, err)
	}
	if transitions == nil {
		transitions = []Transition{}
	}
	return &answer[AlarmDetail]{AlarmDetail{a, transitions}}, nil
}

func (s *Server) noAlarm(ctx context.Context, id string, err error) error {
	switch {
	case errors.Is(err, ErrUnknown):
		return problem(kindUnknownAlarm, "no alarm has the id %q: list them with GET /api/v1/alarms", id)
	case errors.Is(err, ErrState):
		return problem(kindAlarmNotOpen, "the alarm %s is %s: only one that is open can be acknowledged", id, s.stateOf(ctx, id))
	}
	return s.unreadable(ctx, "the alarm book", err)
}

func (s *Server) stateOf(ctx context.Context, id string) string {
	a, _, err := s.o.Alarms.Alarm(ctx, id)
	if err != nil {
		return "not open"
	}
	return string(a.State)
}

type ackInput struct {
	NamedAlarm
	Body *struct {
		Note string `json:"note,omitempty" maxLength:"500" doc:"what whoever looks next should know; one line" example:"battery ordered, swap tomorrow"`
	}
}

func (s *Server) acknowledge(ctx context.Context, in *ackInput) (*answer[medfleet.Alarm], error) {
	note := ""
	if in.Body != nil {
		note = oneLine(in.Body.Note)
	}
	a, err := s.o.Alarms.Acknowledge(ctx, in.ID, note)
	if err != nil {
		return nil, s.noAlarm(ctx, in.ID, err)
	}
	return &answer[medfleet.Alarm]{a}, nil
}

// oneLine makes of a note what can stand in a page, a log and a table.
func oneLine(note string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, note)
	return strings.Join(strings.Fields(printable), " ")
}
