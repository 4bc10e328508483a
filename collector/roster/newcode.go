package roster

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"medfleet"
	"medfleet/record"
)

// knownAfter is how long a model must have been heard before an error code that
// none of its kind has reported is news: in its first week everything is.
const knownAfter = 7 * 24 * time.Hour

// unknownCode is the condition of a maker's own code that no table has.
const unknownCode = "unknown_code"

// Bounds of what is known of models: input decides how many there are. Beyond
// them nothing is told as new.
const (
	maxModels  = 4096
	maxCodesOf = 2048 // of one model
)

// modelName is a model of a class.
type modelName struct {
	class medfleet.Class
	model string
}

// model is which technical codes devices of a model have reported, since it was
// first heard.
type model struct {
	since medfleet.Millis
	codes map[string]struct{}
}

// codeRow is a row of the table model_codes: a code of a model, or without a code
// the model itself.
type codeRow struct {
	modelName
	code   string
	site   string
	device medfleet.DeviceID
	first  medfleet.Millis
}

// meet notes that a device is of a model. The first one begins its first week.
func (r *Roster) meet(d *medfleet.Device, at medfleet.Millis) {
	m := modelName{d.Class, d.Model}
	if d.Model == "" || r.models[m] != nil {
		return
	}
	if len(r.models) >= maxModels {
		r.counts.Overflow++
		return
	}
	r.models[m] = &model{since: at, codes: map[string]struct{}{}}
	r.pending.codes = append(r.pending.codes, codeRow{modelName: m, site: d.Site, device: d.ID, first: at})
}

// learn notes a technical code and tells of it when its model never reported it
// before. That a condition has ended is no new code: it began before we listened.
func (r *Roster) learn(en *entry, e *record.Envelope, ev *medfleet.Event) {
	if ev.Kind != medfleet.Technical && ev.Condition != unknownCode || ev.Code == "" || e.Flags&notJudged != 0 {
		return
	}
	d := &en.device
	name := modelName{d.Class, orElse(ev.Model, d.Model)}
	m := r.models[name]
	if m == nil {
		return
	}
	if _, known := m.codes[ev.Code]; known {
		return
	}
	if len(m.codes) >= maxCodesOf {
		r.counts.Overflow++
		return
	}
	m.codes[ev.Code] = struct{}{}
	r.pending.codes = append(r.pending.codes, codeRow{name, ev.Code, d.Site, d.ID, ev.Time})
	if ev.Phase != medfleet.End && r.heard(e).Sub(m.since) >= knownAfter {
		r.tell(en, e, medfleet.Event{
			Time: ev.Time, Condition: newCode, Phase: medfleet.Instant, Code: ev.Code, Gateway: ev.Gateway,
			Text: "code that no device of this model has reported before",
		}, string(name.class), name.model, ev.Code)
	}
}

func (r *Roster) writeCodes(ctx context.Context, tx *sql.Tx) error {
	for _, c := range r.pending.codes {
		_, err := tx.ExecContext(ctx, `INSERT INTO model_codes (class, model, code, site, device, first_ms) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (class, model, code) DO NOTHING`, c.class, c.model, c.code, c.site, c.device, c.first)
		if err != nil {
			return fmt.Errorf("write codes of model %s: %w", c.model, err)
		}
	}
	return nil
}

// recallCodes adds what the database knows of models and their codes.
func (r *Roster) recallCodes(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT class, model, code, first_ms FROM model_codes ORDER BY class, model, code`)
	if err != nil {
		return fmt.Errorf("recall codes: %w", err)
	}
	defer rows.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for rows.Next() {
		var c codeRow
		if err := rows.Scan(&c.class, &c.model, &c.code, &c.first); err != nil {
			return fmt.Errorf("recall codes: %w", err)
		}
		r.recallCode(&c)
	}
	return rows.Err()
}

func (r *Roster) recallCode(c *codeRow) {
	m := r.models[c.modelName]
	if m == nil {
		if len(r.models) >= maxModels {
			return
		}
		m = &model{since: c.first, codes: map[string]struct{}{}}
		r.models[c.modelName] = m
	}
	switch {
	case c.code == "":
		m.since = min(m.since, c.first)
	case len(m.codes) < maxCodesOf:
		m.codes[c.code] = struct{}{}
	}
}

// rewriteCodes makes all that is known of models wait to be written.
func (r *Roster) rewriteCodes() {
	for name, m := range r.models {
		r.pending.codes = append(r.pending.codes, codeRow{modelName: name, first: m.since})
		for code := range m.codes {
			r.pending.codes = append(r.pending.codes, codeRow{modelName: name, code: code, first: m.since})
		}
	}
}

// savedModel is a model in the snapshot.
type savedModel struct {
	Class medfleet.Class  `json:"class"`
	Model string          `json:"model"`
	Since medfleet.Millis `json:"since"`
	Codes []string        `json:"codes"`
}

func savedModels(models map[modelName]*model) []savedModel {
	list := make([]savedModel, 0, len(models))
	for name, m := range models {
		s := savedModel{Class: name.class, Model: name.model, Since: m.since}
		for code := range m.codes {
			s.Codes = append(s.Codes, code)
		}
		list = append(list, s)
	}
	return list
}

func (s *savedModel) restored() (modelName, *model) {
	m := &model{since: s.Since, codes: make(map[string]struct{}, len(s.Codes))}
	for _, code := range s.Codes {
		m.codes[code] = struct{}{}
	}
	return modelName{s.Class, s.Model}, m
}
