package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/pcd"
	"medfleet/profiles"
)

// unread is the verdict on what is no HL7 message at all.
const unread = "not read"

// examiner reads messages as a gateway would.
type examiner struct {
	set    *profiles.Set
	mapper *pcd.Mapper
	clock  *pcd.Mapper // reads when a message was sent; what it remembers is not the other's
	config string      // the file with the senders; empty: none
	peer   netip.Addr
	result pcd.Result
}

// examined is what became of one message: what `-o json` writes.
type examined struct {
	Number       int            `json:"id"`
	Type         string         `json:"type,omitempty"`
	ControlID    string         `json:"control_id,omitempty"`
	Application  string         `json:"application,omitempty"`
	Transaction  string         `json:"transaction,omitempty"`
	Sent         string         `json:"sent,omitempty"`
	Sender       string         `json:"sender,omitempty"`
	Verdict      string         `json:"verdict"`
	Reason       string         `json:"reason,omitempty"`
	Segments     []pcd.Count    `json:"segments,omitempty"`
	Devices      []examinedUnit `json:"devices,omitempty"`
	Left         leftBehind     `json:"left_behind"`
	Unknown      []string       `json:"unknown_codes,omitempty"`
	Refused      []pcd.Refusal  `json:"refused,omitempty"`
	Notes        []string       `json:"notes,omitempty"`
	Answer       string         `json:"answer,omitempty"`
	AnswerReason string         `json:"answer_reason"`

	senderWords string // the same for a person
}

// examinedUnit is a device with what the message says of it.
type examinedUnit struct {
	Device       medfleet.DeviceID `json:"device"`
	Class        medfleet.Class    `json:"class"`
	Model        string            `json:"model,omitempty"`
	Unit         medfleet.CareUnit `json:"unit,omitempty"`
	NamedBy      string            `json:"named_by,omitempty"`
	Making       []saying          `json:"making,omitempty"`
	Parts        []saying          `json:"parts,omitempty"`
	Observations []seenAt          `json:"observations,omitempty"`
	Events       []happened        `json:"events,omitempty"`
}

// saying is a name and what is said under it.
type saying struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type seenAt struct {
	Time     string    `json:"time"`
	Readings []reading `json:"readings"`
	Marks    []string  `json:"marks,omitempty"`
}

type reading struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`
	State  string  `json:"state,omitempty"`
}

type happened struct {
	Time      string   `json:"time"`
	Condition string   `json:"condition"`
	Text      string   `json:"text"`
	Phase     string   `json:"phase"`
	Kind      string   `json:"kind"`
	Code      string   `json:"code,omitempty"`
	Check     string   `json:"check,omitempty"`
	Priority  string   `json:"priority,omitempty"`
	Marks     []string `json:"marks,omitempty"`
}

// leftBehind counts what is not taken from a message.
type leftBehind struct {
	Segments []pcd.Count `json:"segments,omitempty"`
	Rows     []pcd.Count `json:"rows,omitempty"`
	Fields   []pcd.Count `json:"fields,omitempty"`
	Alerts   int         `json:"alerts,omitempty"`
	Values   int         `json:"values,omitempty"`
	Devices  int         `json:"devices,omitempty"`
	OddCodes int         `json:"odd_codes,omitempty"`
}

func newExaminer(f parseFlags) (*examiner, error) {
	peer, err := peerOf(f.from)
	if err != nil {
		return nil, err
	}
	o, own := pcd.Options{Site: "-", Gateway: "-"}, ""
	if f.config != "" {
		file, err := readFile(f.config)
		if err != nil {
			return nil, err
		}
		if file.Gateway == nil {
			return nil, fmt.Errorf("%s: %w", f.config, errNoSenders)
		}
		o.Config, own = file.Gateway.HL7.Config, file.Profiles
	}
	if o.Profiles, err = profiles.Load(own); err != nil {
		return nil, err
	}
	mapper, err := pcd.New(o)
	if err != nil {
		return nil, fmt.Errorf("gateway.hl7: %w", err)
	}
	clock, err := pcd.New(o)
	if err != nil {
		return nil, fmt.Errorf("gateway.hl7: %w", err)
	}
	return &examiner{set: o.Profiles, mapper: mapper, clock: clock, config: f.config, peer: peer}, nil
}

// all reads the messages of a file.
func (x *examiner) all(text []byte) (list []examined) {
	for m, err := range hl7.Messages(text) {
		e := examined{Number: len(list) + 1}
		if err != nil && m.Header().Name() == "" {
			e.Verdict, e.Reason, e.AnswerReason = unread, err.Error(), "a gateway would refuse it and end the connection"
		} else {
			x.examine(&e, &m, err)
		}
		list = append(list, e)
	}
	return list
}

func (x *examiner) examine(e *examined, m *hl7.Message, broken error) {
	r := &x.result
	x.read(m)
	said := x.mapper.Explain(r, m)
	e.Type, e.ControlID, e.Application, e.Transaction = said.Type, said.ControlID, said.Application, said.Transaction
	e.Segments, e.Sender, e.senderWords = said.Segments, r.Sender.Name, x.sender(r)
	if r.Sent > 0 {
		e.Sent = r.Sent.Time().UTC().Format(time.RFC3339)
	}
	e.Verdict, e.Reason = verdictWords(r.Verdict), r.Reason
	if broken != nil {
		e.Verdict, e.Reason = verdictWords(pcd.NotUnderstood), broken.Error()
	} else {
		e.Devices = x.devices(r, &said)
		e.Left = leftBehind{said.LeftSegments, said.LeftRows, said.LeftFields, r.Dropped.Alerts, r.Dropped.Values, r.Dropped.Devices, r.Dropped.OddCodes}
		e.Unknown = append(e.Unknown, r.Dropped.Unknown...)
		e.Refused = append(e.Refused, r.Dropped.Refused...)
		if r.NoZone {
			e.Notes = append(e.Notes, "its times have no zone and were read as UTC: set time_zone for this sender")
		}
		e.noteClock(r.Sent)
	}
	e.answer(m, r)
}

// ahead is how far a message may be sent after now without its clock being wrong,
// zoneless ones of all zones among them.
const ahead = 15 * time.Hour

// noteClock says what cannot be right of MSH-7, whenever the message was kept.
func (e *examined) noteClock(sent medfleet.Millis) {
	switch {
	case sent == 0:
		e.Notes = append(e.Notes, "it does not say when it was sent (MSH-7): its sender's clock cannot be judged")
	case sent.Sub(medfleet.AsMillis(time.Now())) > ahead:
		e.Notes = append(e.Notes, "it says that it was sent in the future (MSH-7): a gateway takes the time of arrival, keeps the device's beside it, and tells of the clock")
	}
}

func (x *examiner) sender(r *pcd.Result) string {
	switch {
	case r.Sender.Name != "default":
		return r.Sender.Name
	case x.config == "":
		return "defaults: no configuration is given"
	}
	return "defaults: no sender of " + x.config + " fits"
}

// read maps a message as a gateway would have at the time it was sent: the file
// may be old, and a gateway believes no time that is long ago.
func (x *examiner) read(m *hl7.Message) {
	at := medfleet.AsMillis(time.Now())
	x.clock.Map(&x.result, m, x.peer, at)
	if x.result.Sent > 0 {
		at = x.result.Sent
	}
	x.mapper.Map(&x.result, m, x.peer, at)
}

// answer says what would go back.
func (e *examined) answer(m *hl7.Message, r *pcd.Result) {
	outcome := hl7.Accepted
	switch {
	case e.Verdict == verdictWords(pcd.AsksUs):
		outcome, e.AnswerReason = hl7.Rejected, "at once: nothing is told about anybody"
	case e.Verdict == verdictWords(pcd.NotUnderstood):
		e.AnswerReason = "when the dead letter is on disk"
	case len(e.Devices) == 0:
		e.AnswerReason = "at once: there is nothing to keep"
	default:
		e.AnswerReason = "when it is on disk"
	}
	mode := map[string]hl7.AckMode{pcd.AnswerOriginal: hl7.AckOriginal, pcd.AnswerEnhanced: hl7.AckEnhanced}[r.Sender.Answer]
	frame, wanted := hl7.Ack(nil, m, outcome, hl7.AckOptions{Mode: mode, Now: time.Now()})
	if !wanted {
		e.AnswerReason = "it asks for none (MSH-15, MSH-16), or is an answer itself"
		return
	}
	ack, err := hl7.Parse(frame)
	if err == nil {
		e.Answer = ack.First("MSA").Field(1).String()
	}
}

// devices groups what a message says by device, in the order of the message.
func (x *examiner) devices(r *pcd.Result, said *pcd.Explanation) (list []examinedUnit) {
	at := map[medfleet.DeviceID]int{}
	of := func(id medfleet.DeviceID) *examinedUnit {
		i, ok := at[id]
		if !ok {
			i, at[id] = len(list), len(list)
			list = append(list, examinedUnit{Device: id, NamedBy: said.Named[id]})
		}
		return &list[i]
	}
	for i := range r.Observations {
		o := &r.Observations[i]
		u := of(o.Device)
		u.known(&o.Equipment)
		u.Observations = append(u.Observations, seenAt{Time: o.Time.String(), Readings: x.readings(o), Marks: marks(r.ObservationMarks[i])})
	}
	for i := range r.Events {
		e := &r.Events[i]
		u := of(e.Device)
		u.known(&e.Equipment)
		u.Events = append(u.Events, happened{
			Time: e.Time.String(), Condition: e.Condition, Text: e.Text, Phase: string(e.Phase), Kind: string(e.Kind),
			Code: e.Code, Check: x.check(e), Priority: e.Priority, Marks: marks(r.EventMarks[i]),
		})
	}
	for i := range r.Attachments {
		a := &r.Attachments[i]
		u := of(a.Parent)
		u.Parts = append(u.Parts, saying{cmp.Or(a.Slot, "-"), strings.TrimSpace(string(a.Part) + " " + a.Type + " " + a.Model)})
	}
	for i := range r.Identities {
		of(r.Identities[i].Device).Making = making(&r.Identities[i])
	}
	return list
}

// check is what to look at first, where a table says so.
func (x *examiner) check(e *medfleet.Event) string {
	if f, ok := x.set.Fault(e.Model, e.Code); ok {
		return f.Check
	}
	return ""
}

func (u *examinedUnit) known(q *medfleet.Equipment) {
	u.Class, u.Model, u.Unit = cmp.Or(u.Class, q.Class), cmp.Or(u.Model, q.Model), cmp.Or(u.Unit, q.Unit)
}

func (x *examiner) readings(o *medfleet.Observation) []reading {
	list := []reading{}
	p, _ := x.set.Class(o.Class)
	for _, v := range o.Readings {
		r := reading{Metric: v.Metric, Value: v.Value}
		if p != nil && v.Metric == profiles.StateMetric {
			if s, ok := p.StateAt(v.Value); ok {
				r.State = s.Name
			}
		} else if p != nil {
			if m, ok := p.Metric(v.Metric); ok && m.Unit != "1" {
				r.Unit = m.Unit
			}
		}
		list = append(list, r)
	}
	return list
}

func making(i *pcd.Identity) (list []saying) {
	for _, s := range []saying{
		{"manufacturer", i.Manufacturer}, {"serial", i.Serial}, {"firmware", i.Firmware}, {"software", i.Software}, {"hardware", i.Hardware},
	} {
		if s.Value != "" {
			list = append(list, s)
		}
	}
	return list
}

func marks(m pcd.Mark) (list []string) {
	if m.Clamped {
		list = append(list, "its clock says "+m.DeviceTime.String()+": not believed")
	}
	if m.NotInService {
		list = append(list, "not in service: test, training or demonstration")
	}
	if m.Historical {
		list = append(list, "kept back and sent later")
	}
	return list
}

func verdictWords(v pcd.Verdict) string {
	switch v {
	case pcd.Understood:
		return "understood"
	case pcd.NothingForUs:
		return "understood, nothing for us"
	case pcd.AsksUs:
		return "asks us something, refused"
	}
	return "not understood"
}

// tally counts the verdicts of a file, in the order in which they came.
func tally(list []examined) string {
	var counts []pcd.Count
	for i := range list {
		j := 0
		for j < len(counts) && counts[j].Name != list[i].Verdict {
			j++
		}
		if j == len(counts) {
			counts = append(counts, pcd.Count{Name: list[i].Verdict})
		}
		counts[j].Count++
	}
	var words []string
	for _, c := range counts {
		words = append(words, fmt.Sprintf("%d %s", c.Count, c.Name))
	}
	return strings.Join(words, " · ")
}
