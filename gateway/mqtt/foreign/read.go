package foreign

import (
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/valyala/fastjson"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/mqtt"
	"medfleet/profiles"
)

// Options are what a set of mappings needs.
type Options struct {
	Mappings []Mapping
	Profiles *profiles.Set
	Gateway  string
	Section  string // where the mappings stand, for errors: gateway.mqtt.mappings
}

// Set is all mappings, ready for use by any number of readers.
type Set struct {
	plans   []*plan
	gateway string
	seed    maphash.Seed
	lasting lasting
}

// New checks all mappings against what the profiles declare and tells all mistakes
// at once, each with its place.
func New(o Options) (*Set, error) {
	s := &Set{gateway: o.Gateway, seed: maphash.MakeSeed()}
	var errs []error
	names := map[string]bool{}
	for i, m := range o.Mappings {
		section := fmt.Sprintf("%s[%d]", o.Section, i)
		p, err := m.compile(o.Profiles, section)
		errs = append(errs, err)
		filter := p.topic.filter()
		for j, earlier := range s.plans {
			if covers(earlier.topic.filter(), filter) {
				errs = append(errs, fmt.Errorf("%s.topic: no message ever comes to it: %s[%d] stands before it and takes the same topics", section, o.Section, j))
				break
			}
		}
		if covers(mqtt.Root+"/#", filter) {
			errs = append(errs, fmt.Errorf("%s.topic: the topics below %s are medfleet's own contract and are read by that", section, mqtt.Root))
		}
		if m.Name != "" && names[m.Name] {
			errs = append(errs, fmt.Errorf("%s.name: there is another mapping %q", section, m.Name))
		}
		names[m.Name] = true
		s.plans = append(s.plans, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Filters gives the topic filters that the mappings are for.
func (s *Set) Filters() (list []string) {
	for _, p := range s.plans {
		list = append(list, p.topic.filter())
	}
	return list
}

// Meets reports whether a subscription can give a message to some mapping.
func (s *Set) Meets(filter string) bool {
	for _, p := range s.plans {
		if Meet(filter, p.topic.filter()) {
			return true
		}
	}
	return false
}

// Takes reports whether some mapping is for a topic.
func (s *Set) Takes(topic string) bool {
	var levels [maxLevels]string
	for _, p := range s.plans {
		if p.topic.match(topic, levels[:]) {
			return true
		}
	}
	return false
}

// Forget is told that what a message became was not kept: what the memory of
// lasting conditions holds may be known nowhere else, so all of it is told again.
func (s *Set) Forget() { s.lasting.forget() }

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

// parse reads the payload; one that is a text alone is one word.
func (r *Reader) parse(payload []byte) (*fastjson.Value, error) {
	if r.plan.Payload != "text" {
		return r.parser.ParseBytes(payload)
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

var errBatch = errors.New("no list of messages where the mapping's each says")

// batch reads the entries of a list; one that cannot be used costs no other.
func (r *Reader) batch() {
	list := r.value(r.plan.each)
	switch {
	case list == nil:
		r.lost(errBatch)
	case list.Type() == fastjson.TypeObject: // one alone is often sent without its list
		r.gather(r.plan.entry, list)
		r.message()
	case list.Type() == fastjson.TypeArray:
		for _, entry := range list.GetArray() {
			r.gather(r.plan.entry, entry)
			r.message()
		}
	default:
		r.lost(errBatch)
	}
}

func (r *Reader) lost(why error) {
	r.out.Lost++
	if r.out.Trouble == nil {
		r.out.Trouble = why
	}
}

// message reads what is about one device at one time.
func (r *Reader) message() {
	q, plan, err := r.equipment(r.plan)
	if err == nil {
		r.at, r.class = q, plan
		err = r.when()
	}
	if err != nil {
		r.lost(err)
		return
	}
	before := len(r.out.Events)
	o := r.observation()
	if r.time != 0 {
		r.measure(plan, o)
		r.last()
		r.happen()
	}
	r.close(o, len(r.out.Events) > before)
}

// when settles the time to file the message under, 0 when nobody knows it.
func (r *Reader) when() error {
	r.time, r.clamped, r.deviceTime = r.received, false, 0
	if r.plan.clock == nil {
		if r.retained {
			r.time = 0
		}
		return nil
	}
	v := r.value(r.plan.clock.at)
	switch {
	case v == nil && r.retained:
		r.time = 0
		return nil
	case v == nil:
		return errNoTime
	}
	stamp, err := r.plan.clock.read(v)
	if err != nil {
		return err
	}
	if !r.retained {
		r.out.Sent = max(r.out.Sent, stamp)
	}
	r.believe(stamp)
	return nil
}

func (r *Reader) believe(stamp medfleet.Millis) {
	r.deviceTime = 0
	if r.time, r.clamped = medfleet.Believe(stamp, r.received); r.clamped {
		r.deviceTime = stamp
	}
}

func (r *Reader) mark() Mark { return Mark{r.retained, r.clamped, r.deviceTime} }

// observation begins one; its memory is that of an earlier message.
func (r *Reader) observation() *medfleet.Observation {
	list := r.out.Observations
	if len(list) < cap(list) {
		list = list[:len(list)+1]
	} else {
		list = append(list, medfleet.Observation{})
	}
	r.out.Observations = list
	o := &list[len(list)-1]
	*o = medfleet.Observation{Equipment: r.at, Time: r.time, Gateway: r.set.gateway, Readings: o.Readings[:0]}
	return o
}

// close ends an observation. Without a reading it is a sign of life, or says that
// there is such a device; an event says as much.
func (r *Reader) close(o *medfleet.Observation, told bool) {
	if len(o.Readings) == 0 && told {
		r.out.Observations = r.out.Observations[:len(r.out.Observations)-1]
		return
	}
	if o.Time == 0 {
		o.Time = r.received
	}
	r.out.ObservationMarks = append(r.out.ObservationMarks, r.mark())
}

// measure reads the metrics.
func (r *Reader) measure(plan *classPlan, o *medfleet.Observation) {
	for _, u := range plan.metrics {
		if v := r.value(u.at); v != nil {
			r.reading(u, v, r.value(u.unitAt), u.unitAt.scope != nil, o)
		}
	}
	for _, at := range plan.others {
		if r.value(at) != nil {
			r.out.Dropped++
		}
	}
	for i := range r.plan.readings {
		u := &r.plan.readings[i]
		list := r.value(u.at)
		switch {
		case list == nil:
		case u.level >= 0:
			clear(r.frames[u.entry.id])
			r.scratch = append(r.scratch[:0], r.levels[u.level]...)
			r.named(u, plan.readings[i], r.scratch, list, o)
		case list.Type() == fastjson.TypeArray:
			for _, entry := range list.GetArray() {
				r.gather(u.entry, entry)
				if name, v := r.value(u.name), r.value(u.value); name != nil && v != nil {
					r.named(u, plan.readings[i], r.word(name), v, o)
				}
			}
		default:
			r.out.Refused++
		}
	}
}

// named reads a value by its name.
func (r *Reader) named(u *readingsUse, metrics map[string]*use, word []byte, v *fastjson.Value, o *medfleet.Observation) {
	if m := metrics[string(word)]; m != nil {
		r.reading(m, v, r.value(u.unit), u.unit.scope != nil, o)
		return
	}
	i, isSwitch := u.switches[string(word)]
	j, isCode := u.codes[string(word)]
	if !isSwitch && !isCode {
		r.out.Dropped++
		return
	}
	if isSwitch {
		r.switched(i, v)
	}
	if isCode {
		r.coded(j, v)
	}
}

// reading adds a value to the observation, or counts it.
func (r *Reader) reading(u *use, v, unit *fastjson.Value, units bool, o *medfleet.Observation) {
	sent, ok := r.sent(v)
	if !ok {
		r.out.Refused++
		return
	}
	from, ok := r.unit(u, unit, units)
	if !ok {
		r.out.Refused++
		return
	}
	n, ok := r.plan.reading(u, sent, from)
	if _, twice := o.Reading(u.metric); !ok || twice {
		r.out.Refused++
		return
	}
	o.Readings = append(o.Readings, medfleet.Reading{Metric: u.metric, Value: n})
}

// unit finds the conversion from the unit that is sent. A value whose unit is not
// known, or missing where units are sent, is never compared with others.
func (r *Reader) unit(u *use, v *fastjson.Value, units bool) (from *unitUse, ok bool) {
	switch {
	case !units || u.words || !u.measure:
		return nil, true
	case v == nil:
		return nil, u.unitless
	}
	known, ok := knownUnits.Named(r.word(v))
	if !ok {
		return nil, false
	}
	from, ok = u.units[known]
	return from, ok
}

// last reads the values that say what lasts.
func (r *Reader) last() {
	for i := range r.plan.switches {
		if v := r.value(r.plan.switches[i].at); v != nil {
			r.switched(i, v)
		}
	}
	for i := range r.plan.codes {
		if v := r.value(r.plan.codes[i].at); v != nil {
			r.coded(i, v)
		}
	}
}

// happen reads the lists of events.
func (r *Reader) happen() {
	for i := range r.plan.events {
		u := &r.plan.events[i]
		v := r.value(u.at)
		switch {
		case v == nil:
		case v.Type() == fastjson.TypeArray:
			for _, entry := range v.GetArray() {
				r.happened(u, entry)
			}
		default:
			r.happened(u, v)
		}
	}
}
