package pcd

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"medfleet"
	"medfleet/profiles"
)

// Config is the section of the gateway's configuration about who sends HL7.
type Config struct {
	// Senders are tried in their order; the first whose match fits is taken.
	// A sender that fits none is read with defaults.
	Senders []Sender `yaml:"senders,omitempty"`
}

// Match says which messages are a sender's. All that is given must fit; a
// sender without any is everybody's.
type Match struct {
	Application string `yaml:"application,omitempty"` // MSH-3.1, with * and ?, upper and lower case alike
	Facility    string `yaml:"facility,omitempty"`    // MSH-4.1, likewise
	Peer        string `yaml:"peer,omitempty"`        // address or prefix the connection comes from: 10.4.0.0/16
}

// How a sender's messages are answered: as MSH-15 and MSH-16 ask, or always
// with AA, or always with CA.
const (
	AnswerAuto     = "auto"
	AnswerOriginal = "original"
	AnswerEnhanced = "enhanced"
)

// What a sender hears when its message could not be stored: nothing, so that it
// sends it again after its own time, or AE or CE. Either way the connection ends.
const (
	TroubleNone  = "none"
	TroubleError = "error"
)

// Sender is one device, rack, gateway or central station that sends HL7.
type Sender struct {
	Name  string `yaml:"name"`
	Match Match  `yaml:"match,omitempty"`
	// Identity says what names a device: one of obx18.1, obx18.2, obx18.3,
	// sysid, serial, udi, prt10.1, prt20, msh3.1, msh3.2, msh4.1, peer (the address
	// a device connects from), bed (PV1-3.3, which must be in Aliases), or several
	// joined by +. Empty: the most trustworthy of what is in the message.
	Identity string `yaml:"identity,omitempty"`
	// Rack says what names the device that all devices of the sender stand in, by
	// the same words as Identity: msh3.2 where the sender is a rack. Empty: none,
	// or the one a message itself tells.
	Rack string `yaml:"rack,omitempty"`
	// Class and Model are for messages that do not tell.
	Class medfleet.Class `yaml:"class,omitempty"`
	Model string         `yaml:"model,omitempty"`
	// Unit is the care unit of all its devices. Empty: PV1-3.1.
	Unit string `yaml:"unit,omitempty"`
	// TimeZone is the IANA zone of stamps that have none. Empty: UTC.
	TimeZone string `yaml:"time_zone,omitempty"`
	// Answer is auto (the default), original or enhanced.
	Answer string `yaml:"answer,omitempty"`
	// Away is how long it may be without a connection before all its devices are out
	// of our sight. Empty: 1m. Longer for a sender that connects for each message.
	Away time.Duration `yaml:"away,omitempty"`
	// OnTrouble is none (the default) or error.
	OnTrouble string `yaml:"on_trouble,omitempty"`
	// Aliases gives the device id for an identity as it is sent.
	Aliases map[string]string `yaml:"aliases,omitempty"`
	// Prefix, by class, is put before an identity that begins with a digit: one
	// maker's alerts leave out the letter that its reports begin with.
	Prefix map[medfleet.Class]string `yaml:"prefix,omitempty"`
}

// sender is a Sender ready for use.
type sender struct {
	Sender
	prefix   netip.Prefix
	identity []source
	byTable  bool // what the identity says is only looked up
	rack     []source
	profile  *profiles.Profile
	zone     *time.Location
	zoned    bool
	aliases  map[string]medfleet.DeviceID
}

// compile checks all senders and adds the default one. It reports all errors
// at once.
func (c Config) compile(set *profiles.Set) ([]sender, error) {
	out, errs := make([]sender, 0, len(c.Senders)+1), []error(nil)
	for i := range c.Senders {
		s, err := c.Senders[i].compile(set)
		if err != nil {
			errs = append(errs, fmt.Errorf("senders[%d] %q: %w", i, c.Senders[i].Name, err))
		}
		if slices.ContainsFunc(out, func(o sender) bool { return o.Name == s.Name }) {
			errs = append(errs, fmt.Errorf("senders[%d]: name %q is taken: give each sender its own", i, s.Name))
		}
		out = append(out, s)
	}
	def, err := Sender{Name: "default"}.compile(set)
	return append(out, def), errors.Join(append(errs, err)...)
}

func (c Sender) compile(set *profiles.Set) (sender, error) {
	s := sender{Sender: c, zone: time.UTC}
	errs := []error{s.checkWords(), s.checkMatch()}
	var err error
	if s.identity, err = parseIdentity("identity", c.Identity); err != nil {
		errs = append(errs, err)
	}
	if s.rack, err = parseIdentity("rack", c.Rack); err != nil {
		errs = append(errs, err)
	}
	if c.Class != "" {
		var ok bool
		if s.profile, ok = set.Class(c.Class); !ok {
			errs = append(errs, fmt.Errorf("class %q: there is no such profile: use one of %s", c.Class, classNames(set)))
		}
	}
	if c.TimeZone != "" {
		if s.zone, err = time.LoadLocation(c.TimeZone); err != nil {
			errs = append(errs, fmt.Errorf("time_zone %q: not known here: use an IANA name such as Europe/Berlin", c.TimeZone))
		}
		s.zoned = true
	}
	if s.byTable = slices.Contains(s.identity, fromBed); s.byTable && len(c.Aliases) == 0 {
		errs = append(errs, fmt.Errorf("identity %q: a bed names a device by the table only: give aliases, such as {\"ICU-4\": MON-0004}", c.Identity))
	}
	errs = append(errs, s.compileAliases(), s.checkPrefix(set))
	return s, errors.Join(errs...)
}

func (s *sender) checkWords() error {
	switch s.Answer {
	case "":
		s.Answer = AnswerAuto
	case AnswerAuto, AnswerOriginal, AnswerEnhanced:
	default:
		return fmt.Errorf("answer %q: use auto, original or enhanced", s.Answer)
	}
	if s.Away < 0 {
		return fmt.Errorf("away %s: it cannot be less than nothing", s.Away)
	}
	switch s.OnTrouble {
	case "":
		s.OnTrouble = TroubleNone
	case TroubleNone, TroubleError:
	default:
		return fmt.Errorf("on_trouble %q: use none or error", s.OnTrouble)
	}
	switch {
	case s.Name == "":
		return errors.New("name: it is missing: give the sender a short name for logs and counters")
	case s.Unit != "" && !isPlace([]byte(s.Unit)):
		return fmt.Errorf("unit %q: want %s", s.Unit, shapes[shapePlace].words)
	case s.Model != "" && !isModel([]byte(s.Model)):
		return fmt.Errorf("model %q: want %s", s.Model, shapes[shapeModel].words)
	}
	return nil
}

func (s *sender) checkMatch() error {
	if s.Match.Peer == "" {
		return nil
	}
	if addr, err := netip.ParseAddr(s.Match.Peer); err == nil {
		s.prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(s.Match.Peer)
	if err != nil {
		return fmt.Errorf("match.peer %q: use an address or a prefix such as 10.4.0.0/16", s.Match.Peer)
	}
	s.prefix = p.Masked()
	return nil
}

func (s *sender) compileAliases() error {
	var errs []error
	s.aliases = make(map[string]medfleet.DeviceID, len(s.Aliases))
	for _, sent := range slices.Sorted(maps.Keys(s.Aliases)) {
		id := medfleet.DeviceID(s.Aliases[sent])
		if !id.Valid() {
			errs = append(errs, fmt.Errorf("aliases[%q]: device id %q: use up to 64 letters, digits, dot, underscore, colon or hyphen", sent, id))
		}
		s.aliases[sent] = id
	}
	return errors.Join(errs...)
}

func (s *sender) checkPrefix(set *profiles.Set) error {
	var errs []error
	for _, class := range slices.Sorted(maps.Keys(s.Prefix)) {
		if _, ok := set.Class(class); !ok {
			errs = append(errs, fmt.Errorf("prefix: class %q: there is no such profile: use one of %s", class, classNames(set)))
		}
		if p := s.Prefix[class]; p == "" || len(p) > 8 || !medfleet.DeviceID(p).Valid() {
			errs = append(errs, fmt.Errorf("prefix[%q] %q: use 1 to 8 letters, digits, dot, underscore, colon or hyphen", class, p))
		}
	}
	return errors.Join(errs...)
}

func classNames(set *profiles.Set) []medfleet.Class {
	var names []medfleet.Class
	for _, p := range set.Classes() {
		names = append(names, p.Class)
	}
	return names
}

// senderOf finds whose message it is. The last of the senders fits everybody.
func (m *Mapper) senderOf(r *reading) *sender {
	application, facility := r.sieve.get(0, mshMatchApplication), r.sieve.get(0, mshMatchFacility)
	for i := range m.senders {
		if m.senders[i].fits(application, facility, r.peer) {
			return &m.senders[i]
		}
	}
	return &m.senders[len(m.senders)-1]
}

func (s *sender) fits(application, facility []byte, peer netip.Addr) bool {
	return (s.Match.Application == "" || profiles.Glob(s.Match.Application, application)) &&
		(s.Match.Facility == "" || profiles.Glob(s.Match.Facility, facility)) &&
		(!s.prefix.IsValid() || s.prefix.Contains(peer))
}
