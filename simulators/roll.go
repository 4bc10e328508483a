package simulators

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"medfleet"
	"medfleet/simulators/physics"
)

// Member is one device of a fleet: what its label says and where it stands.
type Member struct {
	ID       medfleet.DeviceID `json:"id"`
	Class    medfleet.Class    `json:"class"`
	Model    string            `json:"model"`
	Maker    string            `json:"maker"`
	Firmware string            `json:"firmware"`
	EUI64    string            `json:"eui64"`
	Unit     medfleet.CareUnit `json:"unit"`
	Bed      string            `json:"bed"`
	Protocol Protocol          `json:"protocol"`
}

// line is what is bought of a class: how many of a hundred devices it is, how
// its tags begin, what it speaks, its models (none of them exists) and where in
// the house it is found.
type line struct {
	class    medfleet.Class
	share    int
	tag      string
	from     int
	protocol Protocol
	maker    string
	models   []string
	firmware []string
	units    []medfleet.CareUnit // repeated: more often
}

func lines() []line {
	return []line{
		{physics.InfusionPump, 40, "PUMP", 1000, MQTT, "HALDEN", []string{"Halden HP-3", "Halden HP-3 Duo", "Halden HP-4"},
			[]string{"3.11.2", "3.12.0"}, []medfleet.CareUnit{"ICU", "4W", "4W", "4W", "ED", "ED", "OR", "NICU"}},
		{physics.SyringePump, 24, "SYR", 2000, MQTT, "HALDEN", []string{"Halden HS-1", "Halden HS-2"},
			[]string{"2.4.1", "2.5.0"}, []medfleet.CareUnit{"NICU", "NICU", "ICU", "ICU", "OR", "ED"}},
		{physics.Ventilator, 12, "VENT", 3000, HL7, "BREVANT", []string{"Brevant V6", "Brevant V6 Neo"},
			[]string{"6.0.17", "6.1.3"}, []medfleet.CareUnit{"ICU", "ICU", "ICU", "NICU", "ED", "OR"}},
		{physics.PatientMonitor, 24, "MON", 4000, HL7, "CORVANE", []string{"Corvane M20", "Corvane M60"},
			[]string{"20.2.8", "20.3.0"}, []medfleet.CareUnit{"ICU", "ICU", "4W", "4W", "ED", "OR", "NICU"}},
		{physics.InfusionPump, 20, "LVP", 5000, Sparkplug, "ORLAND", []string{"Orland IV-20", "Orland IV-24"},
			[]string{"1.8.0", "1.9.2"}, []medfleet.CareUnit{"ICU", "4W", "ED", "OR"}},
		{physics.SyringePump, 12, "SPP", 6000, Sparkplug, "ORLAND", []string{"Orland S-8"},
			[]string{"1.8.0"}, []medfleet.CareUnit{"NICU", "ICU", "OR"}},
		{physics.Ventilator, 6, "RESP", 7000, Sparkplug, "TAVISH", []string{"Tavish R2"},
			[]string{"2.0.5"}, []medfleet.CareUnit{"ICU", "NICU"}},
		{physics.PatientMonitor, 12, "BED", 8000, Sparkplug, "TAVISH", []string{"Tavish B10"},
			[]string{"10.4.1"}, []medfleet.CareUnit{"ICU", "4W", "ED", "OR"}},
	}
}

// roll draws a fleet of n devices of the lines that speak one of the protocols.
func roll(n int, seed uint64, speaks func(Protocol) bool) []Member {
	var chosen []line
	total := 0
	for _, l := range lines() {
		if speaks(l.protocol) {
			chosen = append(chosen, l)
			total += l.share
		}
	}
	rng := rand.New(rand.NewPCG(seed, streamRoll))
	var members []Member
	for i, count := range split(n, total, chosen) {
		members = append(members, chosen[i].draw(count, rng)...)
	}
	for i := range members {
		members[i].EUI64 = fmt.Sprintf("0250C2%04X%06X", uint16(seed), i+1)
	}
	return members
}

// split shares n devices among lines, at least one each as long as there are
// enough, the rest to the first.
func split(n, total int, chosen []line) []int {
	counts := make([]int, len(chosen))
	left := n
	for i := range chosen {
		counts[i] = min(left, max(1, n*chosen[i].share/total))
		left -= counts[i]
	}
	counts[0] += left
	return counts
}

func (l *line) draw(n int, rng *rand.Rand) []Member {
	tag := l.from
	list := make([]Member, n)
	beds := map[medfleet.CareUnit]int{}
	for i := range list {
		tag += 1 + rng.IntN(6)
		unit := l.units[rng.IntN(len(l.units))]
		beds[unit]++
		list[i] = Member{
			ID: medfleet.DeviceID(fmt.Sprintf("%s-%d", l.tag, tag)), Class: l.class, Maker: l.maker,
			Model: l.models[rng.IntN(len(l.models))], Firmware: l.firmware[rng.IntN(len(l.firmware))],
			Unit: unit, Bed: fmt.Sprintf("%s-%02d", unit, beds[unit]), Protocol: l.protocol,
		}
	}
	return list
}

// Streams of random numbers, so that what one consumer draws changes nothing for
// another. Device i has streamDevice + i.
const (
	streamRoll = iota + 1
	streamFaults
	streamDevice = 1 << 16
)

// perStation is how many devices a central station or an edge node sends for.
const perStation = 10

// stations groups devices that speak HL7 by care unit, as central stations do.
func stations(devices []*device) [][]*device {
	return slices.Collect(slices.Chunk(byUnit(devices, HL7), perStation))
}

// edgeNodes groups devices that speak Sparkplug: no node has devices of two care units.
func edgeNodes(devices []*device) (list [][]*device) {
	all := byUnit(devices, Sparkplug)
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(d *device) bool { return d.Unit != all[0].Unit })
		if n < 0 {
			n = len(all)
		}
		n = min(n, perStation)
		list, all = append(list, all[:n]), all[n:]
	}
	return list
}

// byUnit gives the devices that speak a protocol, those of a care unit together.
func byUnit(devices []*device, over Protocol) (list []*device) {
	for _, d := range devices {
		if d.Protocol == over {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b *device) int { return cmp.Compare(a.Unit, b.Unit) })
	return list
}
