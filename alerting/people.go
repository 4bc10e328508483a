package alerting

import (
	"context"

	"medfleet"
	"medfleet/alerting/alarms"
)

// Acknowledge notes that the principal of the context has an alarm in hand. A
// second click changes nothing and answers the alarm as it is. It fails with
// alarms.ErrUnknown, alarms.ErrNobody, or an *alarms.StateError that names the
// state of an alarm that is over.
func (e *Engine) Acknowledge(ctx context.Context, id, note string) (medfleet.Alarm, error) {
	a, fresh, err := e.book.Acknowledge(ctx, id, medfleet.PrincipalFrom(ctx).Name, note)
	if fresh {
		e.metrics.transitions.WithLabelValues(string(medfleet.Acknowledged)).Inc()
		e.changed(medfleet.Change{Kind: medfleet.AlarmChanged, ID: a.ID})
	}
	return a, err
}

// Alarms lists alarms newest first, and gives the cursor of the next part, empty
// at the end.
func (e *Engine) Alarms(ctx context.Context, f alarms.Filter) (items []medfleet.Alarm, next string, err error) {
	return e.book.List(ctx, f)
}

// Alarm finds one alarm and what has happened to it, first to last. It fails
// with alarms.ErrUnknown when there is none of that id.
func (e *Engine) Alarm(ctx context.Context, id string) (medfleet.Alarm, []alarms.Transition, error) {
	a, err := e.book.Get(ctx, id)
	if err != nil {
		return a, nil, err
	}
	transitions, err := e.book.Transitions(ctx, id)
	return a, transitions, err
}

// Pages lists pages newest first, and gives the cursor of the next part, empty at
// the end. Limit is from 1 to 1000, 100 when it is 0.
func (e *Engine) Pages(ctx context.Context, limit int, cursor string) ([]medfleet.Page, string, error) {
	return e.outbox.List(ctx, limit, cursor)
}
