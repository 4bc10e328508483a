package roster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"medfleet"
)

// Aliases is which device an id stands for: one device that two feeds call by two
// names is one device. Records stay as they are; it is resolved when they are read.
type Aliases map[medfleet.DeviceID]medfleet.DeviceID

// MaxAliases bounds how many ids may stand for others.
const MaxAliases = 100_000

// Check says what is wrong with the aliases, all at once.
func (a Aliases) Check() []error {
	var errs []error
	if len(a) > MaxAliases {
		errs = append(errs, fmt.Errorf("%d are more than %d", len(a), MaxAliases))
	}
	for _, alias := range slices.Sorted(maps.Keys(a)) {
		device := a[alias]
		switch _, chained := a[device]; {
		case !alias.Valid() || !device.Valid():
			errs = append(errs, fmt.Errorf("[%q]: %q: an id is 1 to 64 of letters, digits, dot, underscore, colon, hyphen", alias, device))
		case alias == device:
			errs = append(errs, fmt.Errorf("[%q]: it stands for itself: leave it out", alias))
		case chained:
			errs = append(errs, fmt.Errorf("[%q]: %s is an alias itself: name the device that it stands for", alias, device))
		}
	}
	return errs
}

// Assume sets which ids stand for which devices without changing what is known, for
// reading a journal again as it was read before.
func (r *Roster) Assume(a Aliases) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aliases = a
}

// Alias sets which ids stand for which devices from now on. What was a device of
// its own under an alias is no more: the engine is told that it is gone, and its
// past is read as that of the device that it is.
func (r *Roster) Alias(sequence uint64, a Aliases, see func(*medfleet.Sighting)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aliases = a
	for _, alias := range slices.Sorted(maps.Keys(a)) {
		if en := r.devices[alias]; en != nil {
			r.merge(sequence, en, a[alias], see)
		}
	}
	r.detach(func(s *stay) bool { return r.named(s.Part) != s.Part || r.named(s.Parent) != s.Parent })
}

// merge makes a device part of another, or the other if that was never heard.
func (r *Roster) merge(sequence uint64, en *entry, into medfleet.DeviceID, see func(*medfleet.Sighting)) {
	alias, at := en.device.ID, max(r.clock, en.device.Since)
	s := &r.sighting
	s.Sequence, s.At, s.Device, s.Event, s.Live, s.Gone = sequence, at, &en.device, nil, true, true
	s.Readings = s.Readings[:0]
	see(s)
	s.Gone = false
	delete(r.devices, alias)
	delete(r.pending.devices, alias)
	r.pending.ended = append(r.pending.ended, ended{alias, at})
	r.pending.touch(alias)
	r.pending.touch(into)
	if known := r.devices[into]; known != nil {
		en.way.devices--
		en.way.expected -= expects(en.device.State)
		known.device.FirstSeen = min(known.device.FirstSeen, en.device.FirstSeen)
		r.pending.devices[into] = struct{}{}
		return
	}
	en.device.ID, en.device.Since, en.claim = into, at, nil
	r.devices[into] = en
	r.pending.devices[into] = struct{}{}
	d := &en.device
	r.pending.stretches = append(r.pending.stretches, begun{
		into, d.Site, medfleet.Stretch{State: d.State, Native: d.Native, Occupied: d.Occupied, From: at},
	})
}

// ended is a device that is no more: its last state has an end.
type ended struct {
	device medfleet.DeviceID
	at     medfleet.Millis
}

// detach ends the stays that a change of names concerns and forgets them; the parts
// are told again within the hour, under their present names.
func (r *Roster) detach(concerned func(*stay) bool) {
	var list []*stay
	for _, s := range r.parts.newest {
		if concerned(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *stay) int { return cmp.Compare(a.Part, b.Part) })
	for _, s := range list {
		r.leave(s, max(r.clock, s.From))
		delete(r.parts.newest, s.Part)
		if r.parts.places[s.place()] == s {
			delete(r.parts.places, s.place())
		}
	}
}

// IDs gives a device's id and those that stand for it.
func (r *Roster) IDs(id medfleet.DeviceID) []medfleet.DeviceID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := []medfleet.DeviceID{r.named(id)}
	for alias, device := range r.aliases {
		if device == list[0] {
			list = append(list, alias)
		}
	}
	slices.Sort(list[1:])
	return list
}

// ids gives a device's id and those that stand for it, as the database knows them.
func (r Records) ids(ctx context.Context, id medfleet.DeviceID) ([]any, error) {
	rows, err := r.DB.QueryContext(ctx, `SELECT alias FROM device_aliases WHERE device = $1 ORDER BY alias`, id)
	if err != nil {
		return nil, fmt.Errorf("read aliases of %s: %w", id, err)
	}
	defer rows.Close()
	list := []any{id}
	for rows.Next() {
		var alias medfleet.DeviceID
		if err := rows.Scan(&alias); err != nil {
			return nil, fmt.Errorf("read aliases of %s: %w", id, err)
		}
		list = append(list, alias)
	}
	return list, rows.Err()
}

// marks gives n placeholders from $first on.
func marks(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
