package spool

// failures remembers which records could not be written, for those who ask
// late. Failures one after another are one range, so what needs room is only
// the changes between failing and working.
type failures struct {
	ranges    []failure
	forgotten uint64 // up to here failures may have been forgotten
}

type failure struct {
	first, last uint64
	err         error
}

const maxFailures = 64

func (f *failures) add(first, last uint64, err error) {
	if n := len(f.ranges); n > 0 && f.ranges[n-1].last+1 == first {
		f.ranges[n-1].last, f.ranges[n-1].err = last, err
		return
	}
	if len(f.ranges) == maxFailures {
		f.forgotten = f.ranges[0].last
		f.ranges = append(f.ranges[:0], f.ranges[1:]...)
	}
	f.ranges = append(f.ranges, failure{first, last, err})
}

// of returns nil for a record that is known to be durable.
func (f *failures) of(sequence uint64) error {
	if sequence <= f.forgotten {
		return ErrUnknownOutcome
	}
	for _, r := range f.ranges {
		if r.first <= sequence && sequence <= r.last {
			return r.err
		}
	}
	return nil
}
