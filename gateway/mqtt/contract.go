package mqtt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/valyala/fastjson"

	"medfleet"
	"medfleet/profiles"
)

// ErrNothing is returned for a message that is understood and says nothing to
// us, such as that a device was online when the broker kept it.
var ErrNothing = errors.New("understood, nothing for us")

// Contract reads messages of medfleet's own contract. It is for one goroutine
// at a time; what Read returns is valid until the next call.
type Contract struct {
	profiles *profiles.Set
	gateway  string
	seed     maphash.Seed
	parser   fastjson.Parser
	seen     medfleet.Observation
	event    medfleet.Event
	names    map[string]string
	none     fastjson.Object
}

// NewContract gives a reader that files what it reads under this gateway.
func NewContract(set *profiles.Set, gateway string, seed maphash.Seed) *Contract {
	return &Contract{profiles: set, gateway: gateway, seed: seed, names: map[string]string{}}
}

// Read gives what a message says. An error other than ErrNothing says why it is
// not understood, in words that never quote the payload.
func (c *Contract) Read(m Message, received medfleet.Millis) (Reading, error) {
	t, err := parseTopic(m.Topic)
	if err != nil {
		return Reading{}, err
	}
	if t.leaf == "online" {
		r := Reading{Key: c.key(m)}
		err := c.connection(t, m, received, &r)
		return r, err
	}
	v, err := c.parser.ParseBytes(m.Payload)
	if err != nil {
		return Reading{}, errors.New("payload is not JSON")
	}
	body, err := v.Object()
	if err != nil {
		return Reading{}, errors.New("payload is not a JSON object")
	}
	r := Reading{Retained: m.Retained, Key: c.key(m)}
	switch t.leaf {
	case "status":
		err = c.status(t, body, received, &r)
	case "event":
		err = c.happened(t, body, received, &r)
	default:
		err = errTopic
	}
	return r, err
}

// key is the same for the same message only; it orders nothing and is not kept.
func (c *Contract) key(m Message) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.WriteString(m.Topic)
	h.WriteByte(0)
	h.Write(m.Payload)
	return h.Sum64()
}

func (c *Contract) status(t topic, body *fastjson.Object, received medfleet.Millis, r *Reading) error {
	equipment, profile, err := c.equipment(t, body, r)
	if err != nil {
		return err
	}
	o := &c.seen
	o.Equipment, o.Gateway, o.Readings = equipment, c.gateway, o.Readings[:0]
	if o.Time, err = c.when(body, received, r); errors.Is(err, ErrNothing) {
		// Retained and without a time: there is such a device, and no more is known.
		o.Time = received
		r.Observation = o
		return nil
	}
	if err != nil {
		return err
	}
	body.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "class", "time", "seq", "model", "unit":
			return
		}
		metric, ok := profile.MetricBytes(key)
		if !ok {
			r.Dropped++
			return
		}
		n, ok := number(profile, metric, v)
		if _, twice := o.Reading(metric.Name); !ok || twice {
			r.Refused++
			return
		}
		o.Readings = append(o.Readings, medfleet.Reading{Metric: metric.Name, Value: n})
	})
	r.Observation = o
	return nil
}

func (c *Contract) happened(t topic, body *fastjson.Object, received medfleet.Millis, r *Reading) error {
	equipment, _, err := c.equipment(t, body, r)
	if err != nil {
		return err
	}
	condition, ok := c.condition(equipment.Model, body)
	if !ok {
		return errors.New(`"condition" is missing or none that the profiles declare, and "code" is none that the maker of "model" is known to use`)
	}
	phase := medfleet.Phase(text(body, "phase"))
	switch phase {
	case medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant:
	default:
		return errors.New(`"phase" is missing or none of start, continue, end, instant`)
	}
	e := &c.event
	*e = medfleet.Event{
		Equipment: equipment, Condition: condition.Name, Phase: phase, Gateway: c.gateway,
		Kind: condition.Kind, Text: condition.Title,
		Code: c.shaped(text(body, "code"), code, r), Priority: priority(text(body, "priority")),
	}
	if e.Time, err = c.when(body, received, r); err != nil {
		return err
	}
	body.Visit(func(key []byte, _ *fastjson.Value) {
		switch string(key) {
		case "class", "time", "seq", "model", "unit", "condition", "phase", "code", "priority":
		default:
			r.Dropped++
		}
	})
	e.ID = eventID(t, e, body)
	r.Event = e
	return nil
}

// condition finds what an event is about: as it says, or what its maker's own code
// stands for.
func (c *Contract) condition(model string, body *fastjson.Object) (*profiles.Condition, bool) {
	if word := text(body, "condition"); word != nil {
		return c.profiles.Condition(string(word))
	}
	fault, ok := c.profiles.FaultBytes(model, text(body, "code"))
	if !ok {
		return nil, false
	}
	return c.profiles.Condition(fault.Condition)
}

// eventID names an event by its sender, its number there and what it says: the
// same message sent again gives the same id.
func eventID(t topic, e *medfleet.Event, body *fastjson.Object) string {
	h := sha256.New()
	fmt.Fprintf(h, "mqtt\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00", t.site, t.device, e.Condition, e.Phase, e.Code, text(body, "time"))
	if v := body.Get("seq"); v != nil && v.Type() == fastjson.TypeNumber {
		h.Write(v.MarshalTo(nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// equipment reads which device the message is about and of which class.
func (c *Contract) equipment(t topic, body *fastjson.Object, r *Reading) (medfleet.Equipment, *profiles.Profile, error) {
	profile, ok := c.profiles.ClassBytes(text(body, "class"))
	if !ok {
		return medfleet.Equipment{}, nil, errors.New(`"class" is missing or none that the profiles declare`)
	}
	device, err := medfleet.CleanDeviceID(t.device)
	if err != nil {
		return medfleet.Equipment{}, nil, err
	}
	return medfleet.Equipment{
		Device: device, Class: profile.Class, Site: c.shaped([]byte(t.site), placeName, r),
		Model: c.shaped(text(body, "model"), modelName, r),
		Unit:  medfleet.CareUnit(c.shaped(text(body, "unit"), placeName, r)),
	}, profile, nil
}

// when gives the time to file the message under.
func (c *Contract) when(body *fastjson.Object, received medfleet.Millis, r *Reading) (medfleet.Millis, error) {
	word := text(body, "time")
	if word == nil && r.Retained {
		return 0, ErrNothing
	}
	var at time.Time
	if err := at.UnmarshalText(word); err != nil {
		return 0, errors.New(`"time" is missing or not RFC 3339`)
	}
	stamp := medfleet.AsMillis(at)
	if stamp == 0 {
		stamp = 1 // 1970 itself: a clock that was never set, not one that is missing
	}
	believed, clamped := medfleet.Believe(stamp, received)
	if r.Clamped = clamped; clamped {
		r.DeviceTime = stamp
	}
	if !r.Retained {
		r.Sent = stamp
	}
	return believed, nil
}
