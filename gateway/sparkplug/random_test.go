package sparkplug

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"medfleet/simulators/edgenode"
)

// letter is a message on its way, with what the plain model needs to know of it.
type letter struct {
	message edgenode.Message
	kind    string
	device  int
	value   int // unique
	seq     uint8
	session uint64
}

// plain is what a host has to make of one node's messages, told without aliases,
// payloads, agenda or memory.
type plain struct {
	born    bool
	next    uint8
	session uint64
	known   [3]bool // devices of the birth that is on
	alive   [3]life
	waiting map[uint8]letter
	gap     time.Time
	values  []string
	turns   [3][]string // of each device
}

func (p *plain) take(l letter, now time.Time) {
	switch {
	case l.kind == "NBIRTH":
		*p = plain{born: true, next: l.seq + 1, session: l.session, alive: p.alive, values: p.values, turns: p.turns, waiting: map[uint8]letter{}}
	case l.kind == "NDEATH":
		if p.session != 0 && l.session != p.session {
			return
		}
		p.lose()
		for i := range p.alive {
			if p.alive[i] == connected {
				p.turn(i, lost)
			}
		}
	case !p.born:
	case l.seq != p.next:
		if _, twice := p.waiting[l.seq]; !twice {
			p.waiting[l.seq] = l
		}
		if p.gap.IsZero() {
			p.gap = now.Add(defaultReorder)
		}
	default:
		for ok := true; ok; l, ok = p.waiting[p.next] {
			delete(p.waiting, l.seq)
			p.next++
			p.apply(l)
		}
		if len(p.waiting) == 0 {
			p.gap = time.Time{}
		}
	}
}

func (p *plain) apply(l letter) {
	switch {
	case l.kind == "DBIRTH":
		p.known[l.device] = true
		p.turn(l.device, connected)
		p.values = append(p.values, fmt.Sprintf("pump%d %d", l.device, l.value))
	case l.kind == "DDATA" && p.known[l.device]:
		p.values = append(p.values, fmt.Sprintf("pump%d %d", l.device, l.value))
	case l.kind == "DDEATH":
		if p.known[l.device] = false; p.alive[l.device] == connected {
			p.turn(l.device, lost)
		}
	}
}

func (p *plain) turn(device int, to life) {
	if p.alive[device] == to {
		return
	}
	p.alive[device] = to
	p.turns[device] = append(p.turns[device], map[life]string{connected: "end", lost: "start"}[to])
}

func (p *plain) lose() {
	p.born, p.waiting, p.gap, p.known = false, map[uint8]letter{}, time.Time{}, [3]bool{}
}

// pass lets the gap become one for good.
func (p *plain) pass(now time.Time) {
	if !p.gap.IsZero() && !now.Before(p.gap) {
		p.lose()
	}
}

// script is a node, the way to the host, and both hosts.
type script struct {
	t       *rapid.T
	now     time.Time
	node    *edgenode.Node
	pumps   [3]*edgenode.Device
	value   int
	host    *Host
	said    Said
	values  []string
	turns   [3][]string
	asked   []time.Time
	plain   plain
	pocket  []letter // delayed
	session letter   // death of the session before
}

func newScript(t *rapid.T) *script {
	host, err := NewHost(HostOptions{Mappings: []Mapping{pumps()}, Profiles: set(), Gateway: "edge-1", Site: "north"})
	require.NoError(t, err)
	s := &script{t: t, now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), host: host, node: edgenode.New("ICU", "bed7")}
	s.plain.waiting = map[uint8]letter{}
	s.node.Now = func() time.Time { return s.now }
	s.node.Plain = rapid.Bool().Draw(t, "plain")
	for i := range s.pumps {
		s.pumps[i] = s.node.Add(fmt.Sprintf("pump%d", i))
	}
	s.node.Connect()
	return s
}

func (s *script) next(device int) int {
	s.value++
	s.pumps[device].Set("Hours", edgenode.Int64(int64(s.value)))
	return s.value
}

// deliver hands a letter to both.
func (s *script) deliver(l letter) {
	s.said.Reset()
	require.NoError(s.t, s.host.Take(&s.said, Message{Topic: l.message.Topic, Payload: l.message.Payload}, s.now))
	s.note()
	s.plain.take(l, s.now)
}

// note writes down what the host said. Events and observations have streams of their
// own: only within each of them there is an order.
func (s *script) note() {
	for _, e := range s.said.Events {
		pump := e.Device[len("bed7-pump")] - '0'
		s.turns[pump] = append(s.turns[pump], string(e.Phase))
	}
	for _, o := range s.said.Observations {
		for _, r := range o.Readings {
			s.values = append(s.values, fmt.Sprintf("%s %.0f", o.Device[len("bed7-"):], r.Value))
		}
	}
	for range s.said.Ask {
		s.asked = append(s.asked, s.now)
	}
}

// way delivers, loses or delays.
func (s *script) way(l letter) {
	switch rapid.SampledFrom([]string{"come", "come", "come", "come", "come", "come", "lost", "late", "twice"}).Draw(s.t, "way") {
	case "come":
		s.deliver(l)
	case "twice":
		s.deliver(l)
		if l.kind != "NBIRTH" {
			s.deliver(l)
		}
	case "late":
		s.pocket = append(s.pocket, l)
	}
}

func (s *script) data(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "pump")
	l := letter{kind: "DDATA", device: i, value: s.next(i), seq: s.node.Seq()}
	l.message = s.node.Data(s.pumps[i])
	s.way(l)
}

func (s *script) deviceBirth(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "pump")
	l := letter{kind: "DBIRTH", device: i, value: s.next(i), seq: s.node.Seq()}
	l.message = s.node.DeviceBirth(s.pumps[i])
	s.way(l)
}

func (s *script) deviceDeath(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "pump")
	l := letter{kind: "DDEATH", device: i, seq: s.node.Seq()}
	l.message = s.node.DeviceDeath(s.pumps[i])
	s.way(l)
}

func (s *script) births(t *rapid.T) {
	if rapid.Bool().Draw(t, "new session") {
		s.session = letter{message: s.node.Death(), kind: "NDEATH", session: s.node.Session()}
		s.node.Connect()
	}
	for i := range s.pumps {
		s.next(i)
	}
	for i, m := range s.node.Births() {
		l := letter{message: m, kind: "NBIRTH", seq: uint8(i), session: s.node.Session()}
		if i > 0 {
			l.kind, l.device, l.value = "DBIRTH", i-1, s.value-3+i
		}
		s.way(l)
	}
}

func (s *script) death(*rapid.T) {
	s.deliver(letter{message: s.node.Death(), kind: "NDEATH", session: s.node.Session()})
}

func (s *script) oldDeath(t *rapid.T) {
	if s.session.kind == "" {
		t.Skip("there is none")
	}
	s.deliver(s.session)
}

func (s *script) late(t *rapid.T) {
	if len(s.pocket) == 0 {
		t.Skip("nothing is late")
	}
	i := rapid.IntRange(0, len(s.pocket)-1).Draw(t, "which")
	l := s.pocket[i]
	s.pocket = slices.Delete(s.pocket, i, i+1)
	s.deliver(l)
}

func (s *script) pass(t *rapid.T) {
	for end := s.now.Add(time.Duration(rapid.IntRange(1, 70_000).Draw(t, "ms")) * time.Millisecond); s.now.Before(end); {
		if s.now = s.host.Due(s.now); s.now.After(end) {
			s.now = end
		}
		s.said.Reset()
		s.host.Tick(&s.said, s.now)
		s.note()
		s.plain.pass(s.now)
	}
}

// check holds both against each other after each step.
func (s *script) check(t *rapid.T) {
	require.Equal(t, s.plain.values, s.values)
	require.Equal(t, s.plain.turns, s.turns)
	for i, at := range s.asked[min(1, len(s.asked)):] {
		require.GreaterOrEqual(t, at.Sub(s.asked[i]), askLeast, "asked too often: %v", s.asked)
	}
	if n := s.host.nodes[bed7]; n != nil {
		require.Equal(t, s.plain.born, n.born)
		require.LessOrEqual(t, len(n.held), s.host.options.Limits.Held)
	}
}

// TestAHostIsTheSameAsAPlainOne: whatever is lost, late, twice or of another session.
func TestAHostIsTheSameAsAPlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScript(t)
		t.Repeat(map[string]func(*rapid.T){
			"data": s.data, "more data": s.data, "device birth": s.deviceBirth, "device death": s.deviceDeath,
			"births": s.births, "death": s.death, "old death": s.oldDeath, "late": s.late, "pass": s.pass,
			"": s.check,
		})
		s.recover(t)
	})
}

// recover: a node that answers is known again, with all its values, whatever was.
func (s *script) recover(t *rapid.T) {
	l := letter{kind: "DDATA", device: 0, value: s.next(0), seq: s.node.Seq()}
	l.message = s.node.Data(s.pumps[0])
	for range 40 {
		s.deliver(l) // it goes on to speak
		s.now = s.now.Add(time.Minute)
		s.said.Reset()
		s.host.Tick(&s.said, s.now)
		s.note()
		s.plain.pass(s.now)
	}
	if !s.host.nodes[bed7].born {
		require.NotEmpty(t, s.asked, "nobody has asked for a rebirth")
		require.Less(t, s.now.Sub(s.asked[len(s.asked)-1]), askMost+2*time.Minute, "it is not asked any more")
	}
	for i := range s.pumps {
		s.next(i)
	}
	for i, m := range s.node.Births() {
		b := letter{message: m, kind: "NBIRTH", seq: uint8(i), session: s.node.Session()}
		if i > 0 {
			b.kind, b.device, b.value = "DBIRTH", i-1, s.value-3+i
		}
		s.deliver(b)
	}
	s.check(t)
	for i := range s.pumps {
		require.Contains(t, s.values, fmt.Sprintf("pump%d %d", i, s.value-2+i))
	}
}
