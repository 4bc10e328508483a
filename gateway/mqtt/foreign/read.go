package foreign

import (
	"bytes"
	"errors"
	"hash/maphash"

	"github.com/valyala/fastjson"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt"
)

// Reader reads messages, one at a time; what Read gives is valid until the next.
type Reader struct {
	set     *Set
	parser  fastjson.Parser
	frames  [][]*fastjson.Value
	levels  [maxLevels]string
	names   map[string]string
	said    map[saying]uint64 // how often in the message at hand
	now     []mapping.Code
	scratch []byte
	out     Result

	// of the message at hand
	plan       *plan
	class      *classPlan
	received   medfleet.Millis
	retained   bool
	at         medfleet.Equipment
	time       medfleet.Millis // 0 is unknown
	clamped    bool
	deviceTime medfleet.Millis
}

// Mark is what is to be known about a record beside what it says.
type Mark struct {
	Retained   bool
	Clamped    bool            // its time was not plausible: the receiver's is used
	DeviceTime medfleet.Millis // its own time when Clamped
}

// Result is what a message says to us.
type Result struct {
	Observations     []medfleet.Observation
	ObservationMarks []Mark
	Events           []medfleet.Event
	EventMarks       []Mark
	Key              uint64          // the same when the same message comes again
	Sent             medfleet.Millis // the newest time that its sender's clock gave it; 0 for none, and for what a broker kept
	Dropped          int             // keys that nothing is mapped to, words of another shape
	Refused          int             // values that cannot be right
	Unknown          int             // error codes that no table has
	Trouble          error           // why an entry could not be used, the first reason; others could
	Lost             int             // how many could not
}

// NewReader gives a reader.
func (s *Set) NewReader() *Reader {
	r := &Reader{set: s, names: map[string]string{}, said: map[saying]uint64{}}
	for _, p := range s.plans {
		for i, scope := range p.scopes {
			if i >= len(r.frames) {
				r.frames = append(r.frames, nil)
			}
			if scope.slots > len(r.frames[i]) {
				r.frames[i] = make([]*fastjson.Value, scope.slots)
			}
		}
	}
	return r
}

var (
	errJSON  = errors.New("payload is not JSON")
	errEmpty = errors.New("payload is empty, or was over 256 KiB: such a message is passed on without it")
)

// Read gives what a message says. An error says why it is not understood, in words
// that quote neither payload nor topic.
func (r *Reader) Read(m mqtt.Message, received medfleet.Millis) (*Result, error) {
	r.reset()
	r.received, r.retained = received, m.Retained
	if r.plan = r.find(m.Topic); r.plan == nil {
		return &r.out, errTopicOnly
	}
	if len(m.Payload) == 0 {
		return &r.out, errEmpty
	}
	v, err := r.parse(m.Payload)
	if err != nil {
		return &r.out, errJSON
	}
	r.out.Key = r.key(m)
	r.gather(r.plan.scopes[0], v)
	if r.plan.Each == "" {
		r.message()
	} else {
		r.batch()
	}
	if r.out.Lost > 0 && len(r.out.Observations)+len(r.out.Events) == 0 {
		return &r.out, r.out.Trouble
	}
	return &r.out, nil
}

func (r *Reader) find(topic string) *plan {
	for _, p := range r.set.plans {
		if p.topic.match(topic, r.levels[:]) {
			return p
		}
	}
	return nil
}

// byteOrderMark stands before the JSON of some Windows gateways.
var byteOrderMark = []byte("\xef\xbb\xbf")

// parse reads the payload; one that is a text alone is one word.
func (r *Reader) parse(payload []byte) (*fastjson.Value, error) {
	if r.plan.Payload != "text" {
		return r.parser.ParseBytes(bytes.TrimPrefix(payload, byteOrderMark))
	}
	b := append(r.scratch[:0], '"')
	for _, c := range payload {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	r.scratch = append(b, '"')
	return r.parser.ParseBytes(r.scratch)
}

func (r *Reader) key(m mqtt.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(r.set.seed)
	h.WriteString(m.Topic)
	h.WriteByte(0)
	h.Write(m.Payload)
	return h.Sum64()
}

func (r *Reader) reset() {
	o := &r.out
	switch n := len(r.said); {
	case n > keepMost:
		r.said = map[saying]uint64{}
	case n > 0:
		clear(r.said)
	}
	if cap(o.Observations)+cap(o.Events) > 2*keepMost {
		*o = Result{}
	}
	*o = Result{
		Observations: o.Observations[:0], ObservationMarks: o.ObservationMarks[:0],
		Events: o.Events[:0], EventMarks: o.EventMarks[:0],
	}
}

// keepMost is how much memory a very long message leaves behind.
const keepMost = 4096
