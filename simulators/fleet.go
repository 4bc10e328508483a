// Package simulators is a fleet of devices that speak the real protocols over
// real sockets: infusion and syringe pumps over MQTT, ventilators and patient
// monitors over HL7 (IHE PCD-01, PCD-04, PCD-15) in MLLP, devices of every class
// behind edge nodes over Sparkplug B 3.0. Their batteries and
// parts live as package physics has it; faults of a scenario are put into them,
// and a ground truth tells what was wrong when, so that one can check what a
// fleet monitor made of it.
//
// Devices keep what was not acknowledged and send it again after a lost
// connection, unchanged: same number, same time, same control id. In Sparkplug
// nothing is acknowledged; a birth says the state of everything anew. Every message
// has a made-up patient with it where real devices send one; all such text
// contains [PatientMark], none of it may be found behind a gateway.
package simulators

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"medfleet/profiles"
	"medfleet/simulators/physics"
	"medfleet/simulators/scenario"
)

// Fleet is a simulated fleet. Make one with New.
type Fleet struct {
	config   Config
	scenario scenario.Scenario
	members  []Member
	profiles *profiles.Set
	edges    []*edge
	ledger   ledger
	truth    truthFile
	started  sync.Once
}

// New prepares a fleet and starts nothing.
func New(c Config) (*Fleet, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("prepare simulated fleet: %w", err)
	}
	s, err := scenario.Load(c.Scenario)
	if err != nil {
		return nil, fmt.Errorf("prepare simulated fleet: %w", err)
	}
	if c.Profiles == nil {
		if c.Profiles, err = profiles.Load(""); err != nil {
			return nil, fmt.Errorf("prepare simulated fleet: %w", err)
		}
	}
	f := &Fleet{config: c, scenario: s, profiles: c.Profiles}
	f.ledger.acked, f.truth.w = c.Acked, c.Truth
	f.members = roll(c.Devices, c.Seed, func(p Protocol) bool {
		return p == MQTT && c.MQTT.URL != "" || p == HL7 && c.HL7 != "" || p == Sparkplug && c.Sparkplug.URL != ""
	})
	return f, nil
}

// Members lists the devices.
func (f *Fleet) Members() []Member { return append([]Member(nil), f.members...) }

// Counts tells what the fleet has done so far.
func (f *Fleet) Counts() Counts { return f.ledger.read() }

// Run lets the fleet live until ctx is done, waits Drain for what is still
// unacknowledged, and returns when everything it started has ended. It can be
// called once. Receivers that are away are no error: devices try again. The
// error tells that the ground truth could not be written.
func (f *Fleet) Run(ctx context.Context) error {
	err := errors.New("run simulated fleet: it has run already, make a new one")
	f.started.Do(func() { err = f.run(ctx) })
	return err
}

func (f *Fleet) run(ctx context.Context) error {
	devices, err := f.build(time.Now())
	if err != nil {
		return fmt.Errorf("run simulated fleet: %w", err)
	}
	linked, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var links, lives sync.WaitGroup
	for _, run := range f.links(devices) {
		links.Go(func() { run(linked) })
	}
	for _, run := range f.lives(devices) {
		lives.Go(func() { run(ctx) })
	}
	f.config.Log.Info("simulated fleet runs", slog.Int("devices", len(devices)), slog.String("scenario", f.scenario.Name))
	lives.Wait()
	drain(devices, f.config.Drain)
	cut()
	links.Wait()
	return f.truth.failure()
}

// build makes the devices in the middle of their lives.
func (f *Fleet) build(at time.Time) ([]*device, error) {
	devices := make([]*device, len(f.members))
	for i, m := range f.members {
		rng := rand.New(rand.NewPCG(f.config.Seed, streamDevice+uint64(i)))
		machine, err := physics.New(m.Class, at, f.config.Speed, rng)
		if err != nil {
			return nil, err
		}
		devices[i] = &device{Member: m, machine: machine, box: newOutbox(f.config.Queue), rng: rng, seq: firstSeq(at)}
		devices[i].report = at.Add(time.Duration(rng.Int64N(int64(min(f.config.Interval, firstReports)))))
		devices[i].wake = devices[i].report
	}
	f.edges = newEdges(f, devices)
	return devices, f.teach(devices)
}

// firstReports is the time within which every device has reported once.
const firstReports = 2 * time.Second

// teach gives every device its language, but for those behind edge nodes: they have
// it.
func (f *Fleet) teach(devices []*device) error {
	for _, d := range devices {
		if d.Protocol == MQTT {
			d.speech = newTopics(f.config.Site, f.config.Gateway, d.ID)
		}
	}
	for i, group := range stations(devices) {
		name := stationName(group[0].Unit, i)
		for _, d := range group {
			s, err := newPCD(f.profiles, name, d)
			if err != nil {
				return err
			}
			d.speech = s
		}
	}
	return nil
}

// links lists what carries the devices' messages: one connection for each
// device over MQTT, one for each central station over MLLP and each edge node.
func (f *Fleet) links(devices []*device) []func(context.Context) {
	var list []func(context.Context)
	for _, d := range devices {
		if d.Protocol == MQTT {
			l := &mqttLink{config: &f.config, id: d.ID, box: d.box, ledger: &f.ledger, log: f.config.Log}
			list = append(list, l.run)
		}
	}
	for i, group := range stations(devices) {
		s := &station{name: stationName(group[0].Unit, i), config: &f.config, ledger: &f.ledger, log: f.config.Log}
		for _, d := range group {
			s.boxes = append(s.boxes, d.box)
		}
		list = append(list, s.run)
	}
	for _, e := range f.edges {
		list = append(list, e.run)
	}
	return list
}

// lives lists what moves the devices: keepers, each with a part of them, and
// the director of the scenario.
func (f *Fleet) lives(devices []*device) []func(context.Context) {
	n := min(runtime.GOMAXPROCS(0), 1+len(devices)/500)
	keepers := make([]*keeper, n)
	var list []func(context.Context)
	for i := range keepers {
		keepers[i] = newKeeper(f, float64(n))
		list = append(list, keepers[i].run)
	}
	owner := make([]*keeper, len(devices))
	for i, d := range devices {
		owner[i] = keepers[i%n]
		owner[i].devices = append(owner[i].devices, d)
	}
	plan := newTimeline(f.scenario, f.members, f.config.Seed)
	for _, missing := range plan.missing() {
		f.config.Log.Warn("scenario strikes nobody in this fleet", slog.String("fault", string(missing.Fault)),
			slog.String("class", string(missing.Class)), slog.String("device", string(missing.Device)))
	}
	return append(list, func(ctx context.Context) { direct(ctx, plan, owner, devices) })
}

// drain waits until everything is acknowledged, at most d.
func drain(devices []*device, d time.Duration) {
	deadline := time.Now().Add(d)
	for _, dev := range devices {
		for dev.box.pending() > 0 && !dev.silent && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
	}
}
