package mqtt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/valyala/fastjson"

	"medfleet"
)

// offline is the condition of a device whose connection was lost. It is about the
// way to the device, never a fault of the device; the collector makes silence of it.
const offline = "offline"

var errOnline = errors.New(`payload says neither online nor offline: want {"online":true} or {"online":false}`)

// connection reads what is said on a device's topic "online": by itself when it
// comes, by the broker when it is lost. The time is ours, since a last will is
// written when the connection begins. What a broker has retained says nothing of
// now.
func (c *Contract) connection(t topic, m Message, received medfleet.Millis, r *Reading) error {
	if m.Retained || len(m.Payload) == 0 {
		return ErrNothing // an empty one takes a retained one away
	}
	on, body, err := c.said(m.Payload)
	if err != nil {
		return err
	}
	condition, ok := c.profiles.Condition(offline)
	if !ok {
		return ErrNothing
	}
	device, err := medfleet.CleanDeviceID(t.device)
	if err != nil {
		return err
	}
	e := &c.event
	*e = medfleet.Event{
		Equipment: medfleet.Equipment{Device: device, Site: c.shaped([]byte(t.site), placeName, r)},
		Time:      received, Condition: condition.Name, Phase: medfleet.Start, Gateway: c.gateway,
		Kind: condition.Kind, Text: condition.Title,
	}
	if on {
		e.Phase = medfleet.End
	}
	if profile, ok := c.profiles.ClassBytes(text(body, "class")); ok {
		e.Class = profile.Class
	}
	body.Visit(func(key []byte, _ *fastjson.Value) {
		if k := string(key); k != "online" && k != "class" && k != "time" && k != "seq" {
			r.Dropped++
		}
	})
	e.ID = connectionID(t, e)
	r.Event = e
	return nil
}

// said reads whether a device is connected; body is what else is said.
func (c *Contract) said(payload []byte) (on bool, body *fastjson.Object, err error) {
	switch string(bytes.Trim(payload, " \t\r\n\"")) {
	case "1", "true", "online":
		return true, &c.none, nil
	case "0", "false", "offline":
		return false, &c.none, nil
	}
	v, err := c.parser.ParseBytes(payload)
	if err != nil || v.Type() != fastjson.TypeObject {
		return false, nil, errOnline
	}
	body = v.GetObject()
	switch word := body.Get("online"); {
	case word == nil:
		return false, nil, errOnline
	case word.Type() == fastjson.TypeTrue, word.Type() == fastjson.TypeNumber && word.GetInt() == 1:
		return true, body, nil
	case word.Type() == fastjson.TypeFalse, word.Type() == fastjson.TypeNumber && word.GetFloat64() == 0:
		return false, body, nil
	}
	return false, nil, errOnline
}

// connectionID tells one loss of a connection from the next.
func connectionID(t topic, e *medfleet.Event) string {
	h := sha256.New()
	b := append([]byte("mqtt online\x00"), t.site...)
	b = append(append(append(append(b, 0), t.device...), 0), e.Phase...)
	h.Write(binary.BigEndian.AppendUint64(b, uint64(e.Time)))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
