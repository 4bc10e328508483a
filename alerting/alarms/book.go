// Package alarms is the book of alarms: one row for each episode, one for each
// of its transitions. The engine writes what the rules decided in the watch's
// transaction; people acknowledge in a transaction of their own. Every write may
// be repeated: a transition has an id made of what it is, and is written once.
package alarms

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"medfleet"
)

// Audit writes a line of the audit log in the transaction of what it tells of.
type Audit func(ctx context.Context, tx *sql.Tx, who, action, object, detail, site string) error

// System is who the audit log names for what nobody in person did.
const System = "medfleet"

// Book reads and writes alarms and their transitions. It may be used by many at
// once.
type Book struct {
	db    *sql.DB
	audit Audit
}

// New makes a book over a database that has the tables alarms and
// alarm_transitions.
func New(db *sql.DB, audit Audit) *Book { return &Book{db, audit} }

// ErrUnknown is returned for an id that no alarm has.
var ErrUnknown = errors.New("no such alarm: list the alarms for their ids")

// ErrNobody is returned when it is not known who is asking.
var ErrNobody = errors.New("nobody is signed in: an acknowledgement needs a name")

// StateError says that an alarm is in a state in which what was asked cannot be
// done.
type StateError struct {
	ID    string
	State medfleet.AlarmState
}

func (e *StateError) Error() string {
	return fmt.Sprintf("alarm %s is %s: only an active alarm can be acknowledged", e.ID, e.State)
}

// Transition is one step in an alarm's life, in the order in which they were
// written.
type Transition struct {
	ID    string              `json:"id" doc:"ULID"`
	Alarm string              `json:"alarm" doc:"the alarm's id"`
	At    medfleet.Millis     `json:"at"`
	State medfleet.AlarmState `json:"state" enum:"active,acknowledged,cleared,closed,withdrawn"`
	Who   string              `json:"who,omitempty" doc:"the person, empty for what the rules decided"`
	Note  string              `json:"note,omitempty"`
}

// step is a transition with what makes its id: occasion tells the second
// reopening from the first.
type step struct {
	alarm    *medfleet.Alarm
	state    medfleet.AlarmState
	at       medfleet.Millis
	occasion string
	who      string
	note     string
	action   string // in the audit log
}

// write inserts a transition and its audit row, and reports whether it was new.
func (b *Book) write(ctx context.Context, tx *sql.Tx, s step) (bool, error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO alarm_transitions (id, alarm, site, number, at, state, who, note)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), COALESCE(MAX(number), 0) + 1,
			CAST($4 AS BIGINT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT)
		FROM alarm_transitions WHERE alarm = $2
		ON CONFLICT (id) DO NOTHING`,
		s.id(), s.alarm.ID, s.alarm.Site, int64(s.at), string(s.state), s.who, s.note)
	if err != nil {
		return false, fmt.Errorf("write transition of alarm %s: %w", s.alarm.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	who := s.who
	if who == "" {
		who = System
	}
	detail := s.alarm.Rule + " " + string(s.alarm.Device)
	if s.note != "" {
		detail += ": " + s.note
	}
	if err := b.audit(ctx, tx, who, s.action, s.alarm.ID, detail, s.alarm.Site); err != nil {
		return false, fmt.Errorf("audit alarm %s: %w", s.alarm.ID, err)
	}
	return true, nil
}

// id is a ULID made of the transition's time and of what it is, so that writing
// it again meets the first.
func (s *step) id() string {
	h := sha256.New()
	for _, part := range []string{s.alarm.ID, string(s.state), s.occasion} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	var id ulid.ULID
	_ = id.SetTime(uint64(max(0, s.at))) // fails in the year 10889
	_ = id.SetEntropy(h.Sum(nil)[:10])   // of the right length
	return id.String()
}
