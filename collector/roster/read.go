package roster

import (
	"cmp"
	"maps"
	"slices"

	"medfleet"
)

// Devices gives a copy of every device, by id.
func (r *Roster) Devices() []medfleet.Device {
	r.mu.RLock()
	list := make([]medfleet.Device, 0, len(r.devices))
	for _, en := range r.devices {
		list = append(list, r.copy(en))
	}
	r.mu.RUnlock()
	slices.SortFunc(list, func(a, b medfleet.Device) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Size counts the devices.
func (r *Roster) Size() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.devices)
}

// Device gives a copy of one device. An alias leads to the device it stands for.
func (r *Roster) Device(id medfleet.DeviceID) (medfleet.Device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	en, ok := r.devices[r.named(id)]
	if !ok {
		return medfleet.Device{}, false
	}
	return r.copy(en), true
}

func (r *Roster) copy(en *entry) medfleet.Device {
	d := en.device
	d.Readings = maps.Clone(d.Readings)
	r.parted(&d)
	return d
}

// Gateways gives a copy of every gateway, by name.
func (r *Roster) Gateways() []medfleet.Gateway {
	r.mu.RLock()
	list := make([]medfleet.Gateway, 0, len(r.gateways))
	for _, g := range r.gateways {
		seen := g.Gateway
		seen.Feeds = g.feeds()
		list = append(list, seen)
	}
	r.mu.RUnlock()
	slices.SortFunc(list, func(a, b medfleet.Gateway) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
