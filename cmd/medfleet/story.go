package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"medfleet"
	"medfleet/simulators"
)

// story tells on the console what happens in a demonstration.
type story struct {
	out   *lines
	demo  *demo
	news  chan string // alarms that changed; a full channel drops, since the board has them all
	start time.Time
	mu    sync.Mutex
	last  map[string]medfleet.AlarmState
	sums  map[medfleet.AlarmState]int
}

func newStory(out io.Writer) *story {
	return &story{
		out: &lines{out: out}, news: make(chan string, 256),
		last: map[string]medfleet.AlarmState{}, sums: map[medfleet.AlarmState]int{},
	}
}

// lines writes whole lines from several goroutines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// open says where to look.
func (s *story) open(d *demo, path string, f demoFlags) {
	s.demo, s.start = d, time.Now()
	kept := " (temporary: it goes at the end; keep it with --data.dir)"
	if f.dataDir != "" {
		kept = ""
	}
	fmt.Fprintf(s.out, `medfleet demo: maintenance notifications about equipment; not a clinical alarm system

  board    http://%s/
  API      http://%s/api/v1/devices   (description: /openapi.json)
  MQTT     %s   topics medfleet/v1/<site>/<gateway>/<device>/status
  HL7      %s   MLLP
  data     %s%s
  ward     %d devices, scenario %s, seed %d

`, d.center.listener.Addr(), d.center.listener.Addr(), f.mqtt, f.hl7, path, kept, f.devices, f.scenario, f.seed)
}

// changed is told of every change; it must not wait.
func (s *story) changed(c medfleet.Change) {
	if c.Kind != medfleet.AlarmChanged {
		return
	}
	select {
	case s.news <- c.ID:
	default:
	}
}

// run tells until ctx ends.
func (s *story) run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	told := 0
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-s.news:
			s.alarm(ctx, id)
		case <-t.C:
			told = s.devices(told)
		}
	}
}

// devices tells how many report, while their number grows.
func (s *story) devices(told int) int {
	list := s.demo.center.collector.Roster().Devices()
	if len(list) == told {
		return told
	}
	classes := map[medfleet.Class]int{}
	for _, d := range list {
		classes[d.Class]++
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		parts = append(parts, fmt.Sprintf("%d %s", classes[c], strings.ReplaceAll(string(c), "_", " ")))
	}
	s.say("REPORTING  %d devices: %s", len(list), strings.Join(parts, ", "))
	return len(list)
}

func (s *story) alarm(ctx context.Context, id string) {
	a, _, err := s.demo.center.engine.Alarm(ctx, id)
	if err != nil {
		return
	}
	s.mu.Lock()
	before := s.last[id]
	s.last[id] = a.State
	if before != a.State {
		s.sums[a.State]++
	}
	s.mu.Unlock()
	if before == a.State {
		return
	}
	switch a.State {
	case medfleet.Active:
		s.say("RAISED     %-5s %s (alarm %s)", strings.ToUpper(string(a.Priority)), a.Summary, a.ID)
	case medfleet.Acknowledged:
		s.say("ACK        %s by %s (alarm %s)", a.Summary, a.AcknowledgedBy, a.ID)
	default:
		s.say("%-10s %s after %s (alarm %s)", strings.ToUpper(string(a.State)), a.Summary,
			a.ChangedAt.Sub(a.RaisedAt).Round(time.Second), a.ID)
	}
}

// truth gives a writer that tells what the simulators really did.
func (s *story) truth() io.Writer { return truthTeller{s} }

type truthTeller struct{ s *story }

func (t truthTeller) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var truth simulators.Truth
		if json.Unmarshal(line, &truth) == nil && truth.Fault != "wear" {
			t.s.say("SIMULATED  %s %ss on %s", truth.Fault, truth.Phase, truth.Device)
		}
	}
	return len(p), nil
}

// end tells what it came to.
func (s *story) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.demo.fleet.Counts()
	s.say("END        after %s: %d messages acknowledged, %d alarms raised, %d cleared",
		time.Since(s.start).Round(time.Second), c.Acked, s.sums[medfleet.Active], s.sums[medfleet.Cleared])
}
