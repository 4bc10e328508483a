package simulators

import (
	"strconv"
	"time"

	"medfleet"
	"medfleet/simulators/physics"
)

// topics is the speech of devices over MQTT: JSON on
// medfleet/v1/<site>/<gateway>/<device>/{status|event}.
type topics struct {
	statusTopic, eventTopic string
	readings                []medfleet.Reading
}

func newTopics(site, gateway string, id medfleet.DeviceID) *topics {
	base := topicBase(site, gateway, id)
	return &topics{statusTopic: base + "status", eventTopic: base + "event"}
}

func topicBase(site, gateway string, id medfleet.DeviceID) string {
	return "medfleet/v1/" + site + "/" + gateway + "/" + string(id) + "/"
}

const jsonStamp = "2006-01-02T15:04:05.000Z07:00"

// status says all metrics, and beside them two things of the patient's that
// pumps like to send: who it is and how much he gets.
func (t *topics) status(dst []parcel, d *device, at time.Time) []parcel {
	p := d.parcel(at)
	p.topic = t.statusTopic
	b := t.begin(make([]byte, 0, 640), d, &p)
	b = text(b, "state", d.machine.State())
	t.readings = d.machine.AppendReadings(t.readings[:0])
	for _, r := range t.readings {
		b = number(b, r.Metric, r.Value)
	}
	if rate := d.machine.Rate(); rate > 0 {
		b = number(b, "infusion_rate", rate)
		b = text(b, "patient", d.patient().number)
	}
	p.payload = append(b, '}')
	return append(dst, p)
}

func (t *topics) event(dst []parcel, d *device, e physics.Event) []parcel {
	p := d.parcel(e.At)
	p.topic, p.Condition, p.Phase = t.eventTopic, e.Condition, e.Phase
	said := say(e.Condition)
	b := t.begin(make([]byte, 0, 320), d, &p)
	b = text(b, "condition", e.Condition)
	b = text(b, "phase", string(e.Phase))
	b = text(b, "code", said.code)
	b = text(b, "text", said.text)
	b = text(b, "priority", said.priority)
	p.payload = append(b, '}')
	return append(dst, p)
}

func (t *topics) begin(b []byte, d *device, p *parcel) []byte {
	b = append(b, '{')
	b = text(b, "class", string(d.Class))
	b = text(b, "model", d.Model)
	b = text(b, "unit", string(d.Unit))
	b = append(b, `,"time":"`...)
	b = p.Time.Time().AppendFormat(b, jsonStamp)
	b = append(b, `","seq":`...)
	return strconv.AppendUint(b, p.Seq, 10)
}

// parcel stamps a message over MQTT.
func (d *device) parcel(at time.Time) parcel {
	seq, t := d.stamp(at)
	return parcel{Message: Message{Device: d.ID, Class: d.Class, Protocol: d.Protocol, ID: strconv.FormatUint(seq, 10), Seq: seq, Time: t}}
}

// text and number append a member; keys and our own texts need no escaping
// beyond what strconv does with printable ASCII.
func text(b []byte, key, value string) []byte {
	return strconv.AppendQuote(member(b, key), value)
}

func number(b []byte, key string, v float64) []byte {
	return strconv.AppendFloat(member(b, key), v, 'f', -1, 64)
}

func member(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}
