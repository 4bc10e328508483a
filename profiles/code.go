package profiles

import (
	"fmt"
	"strconv"
	"strings"
)

// Code is a term of IEEE 11073-10101: its number (partition × 65536 + term) and
// its reference id. In YAML it is written "67996 MDC_ATTR_VAL_BATT_CHARGE", or the
// number alone where no source gives the name.
type Code struct {
	Number uint32
	RefID  string
}

// UnmarshalText reads "number REFID" or "number".
func (c *Code) UnmarshalText(b []byte) error {
	number, refid, _ := strings.Cut(string(b), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("read code %q: want a number and a reference id, such as 67996 MDC_ATTR_VAL_BATT_CHARGE", b)
	}
	*c = Code{uint32(n), refid}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c Code) MarshalText() ([]byte, error) {
	return []byte(strings.TrimSpace(fmt.Sprintf("%d %s", c.Number, c.RefID))), nil
}

// eventPrefix is left out of the conditions' reference ids.
const eventPrefix = "MDC_EVT_"

// ConditionOf finds the condition that an event stands for. The reference id
// decides when it is known; else the number does. An odd number is never known:
// no source says what the odd twin of an event code means.
func (s *Set) ConditionOf(number uint32, refid string) (*Condition, bool) {
	if c, ok := s.eventRefid[strings.TrimPrefix(refid, eventPrefix)]; ok {
		return c, true
	}
	c, ok := s.eventCode[number]
	return c, ok
}

// ClassOf finds the class that a device type stands for, reference id first.
func (s *Set) ClassOf(number uint32, refid string) (*Profile, bool) {
	if p, ok := s.deviceRefid[refid]; ok {
		return p, true
	}
	p, ok := s.deviceCode[number]
	return p, ok
}

// Implied finds the class that a measurement or an attribute is known by, reference
// id first.
func (s *Set) Implied(number uint32, refid string) (*Profile, bool) {
	if p, ok := s.implied[Code{RefID: refid}]; ok {
		return p, true
	}
	p, ok := s.implied[Code{Number: number}]
	return p, ok
}

// MetricOf finds the name of the metric that an attribute carries, reference id
// first. Whether a class has that metric is the profile's to say.
func (s *Set) MetricOf(number uint32, refid string) (string, bool) {
	if m, ok := s.metricRefid[refid]; ok {
		return m, true
	}
	m, ok := s.metricCode[number]
	return m, ok
}
