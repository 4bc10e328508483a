package sparkplug

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"medfleet"
)

// state is the payload of STATE (Sparkplug 3.0, 6.4.28): whether a host application
// is there, and since when that has been said.
type state struct {
	Online    *bool    `json:"online"`
	Timestamp wireTime `json:"timestamp"`
}

// wireTime is in ms since 1970 UTC, a bare number.
type wireTime int64

func stateMessage(online bool, at medfleet.Millis) []byte {
	return fmt.Appendf(nil, `{"online":%t,"timestamp":%d}`, online, int64(at))
}

// latest is the greatest time that we follow: a number that every reader of JSON has.
const latest = 1 << 53

func isState(topic string) bool { return strings.HasPrefix(topic, Root+"/"+stateLevel+"/") }

// online says that we are there, with the time that our will has.
func (s *session) online() error {
	s.spoke = true
	s.client.counts.Said.Add(1)
	return s.say(true, s.began)
}

func (s *session) say(online bool, at medfleet.Millis) error {
	s.key = max(s.key+1, 2) // 1 is the subscription's
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.Retain, p.MessageID = 1, true, s.key
	p.TopicName, p.Payload = s.client.options.stateTopic(), stateMessage(online, at)
	return s.write(p)
}

// state hears what is said of us. The will of an earlier connection may come late,
// and edge nodes would take us for gone: we say again that we are there. Where it is
// newer than our own word, edge nodes go by it: we connect anew, with a newer one.
func (s *session) state(m Message) error {
	var said state
	if m.Topic != s.client.options.stateTopic() || json.Unmarshal(m.Payload, &said) != nil || said.Online == nil {
		return nil
	}
	at := medfleet.Millis(said.Timestamp)
	switch {
	case *said.Online && at == s.began:
		if !s.known && !s.up {
			s.connected()
		}
		s.known = true
		return nil
	case *said.Online:
		if !m.Retained {
			s.client.options.Log.Warn("another Sparkplug host application says to be online under our name: give each its own host_id", "host_id", s.client.options.HostID)
		}
		return nil
	case at > latest || at <= s.began && !s.known:
		return nil // no time at all; or from before our own word, which has not come back yet
	case at > s.began:
		s.client.after = at
		return fmt.Errorf("somebody said to Sparkplug broker %s that host %q is offline, with a newer time than ours: is another host application of this name about",
			s.client.dialer.Address(), s.client.options.HostID)
	}
	return s.online()
}

// farewell says that we go, and DISCONNECT: so the broker does not publish our will.
func (s *session) farewell() {
	deadline := time.NewTimer(goodbye)
	defer deadline.Stop()
	if s.say(false, max(medfleet.AsMillis(time.Now()), s.began)) != nil {
		return
	}
	for key := s.key; ; {
		select {
		case p, ok := <-s.packets:
			if !ok {
				return
			}
			if p.Kind == packets.Puback && p.ID == key {
				s.conn.Part()
				return
			}
		case <-deadline.C:
			return
		}
	}
}
