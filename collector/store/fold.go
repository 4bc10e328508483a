package store

import (
	"fmt"

	"medfleet"
)

// Folder makes a query's answer of samples that come in the order of time.
type Folder struct {
	step    medfleet.Millis
	fold    Fold
	limit   int
	samples []Sample
	last    medfleet.Millis // when the newest sample was
	n       int             // samples in the newest step
}

// NewFolder gives the folder of a query that Check has found good.
func NewFolder(q *Query) *Folder {
	return &Folder{step: medfleet.Millis(q.Step.Milliseconds()), fold: q.Fold, limit: q.Limit}
}

// Add takes the next sample. One at the same time as the sample before is left
// out. It gives ErrTooMuch when the answer would grow over the query's limit.
func (f *Folder) Add(s Sample) error {
	if len(f.samples) > 0 && s.Time == f.last {
		return nil
	}
	f.last = s.Time
	if f.step > 0 {
		s.Time = floor(s.Time, f.step)
	}
	if n := len(f.samples); n > 0 && f.step > 0 && f.samples[n-1].Time == s.Time {
		f.into(&f.samples[n-1], s.Value)
		return nil
	}
	if len(f.samples) == f.limit {
		return fmt.Errorf("more than %d samples: %w", f.limit, ErrTooMuch)
	}
	f.close()
	f.samples = append(f.samples, s)
	f.n = 1
	return nil
}

// into folds a value into the open step. A mean is kept as a sum until the step
// is closed.
func (f *Folder) into(open *Sample, value float64) {
	f.n++
	switch f.fold {
	case Last:
		open.Value = value
	case Min:
		open.Value = min(open.Value, value)
	case Max:
		open.Value = max(open.Value, value)
	case Mean:
		open.Value += value
	}
}

// close ends the open step.
func (f *Folder) close() {
	if f.fold == Mean && f.n > 1 {
		f.samples[len(f.samples)-1].Value /= float64(f.n)
	}
	f.n = 0
}

// Samples gives the answer. Nothing may be added afterwards.
func (f *Folder) Samples() []Sample {
	f.close()
	return f.samples
}

// floor gives the multiple of step at or before t, before 1970 too.
func floor(t, step medfleet.Millis) medfleet.Millis {
	r := t % step
	if r < 0 {
		r += step
	}
	return t - r
}
